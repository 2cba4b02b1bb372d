"""What is kept of a session, and the pure rules on its two clocks."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType

from bff.session.grants import Grants
from common.http import Json

SessionKey = NewType("SessionKey", str)

_LONGEST_REFRESH_MARGIN = timedelta(seconds=30)
_REFRESH_SHARE = 0.2
_ACTIVITY_STEPS = 20


@dataclass(frozen=True, repr=False)
class Tokens:
    """The provider's tokens in clear: for the length of one call, never stored, never printed.

    `bearer` is what goes upstream, and `expires_at` its end.
    """

    bearer: str
    issued_at: datetime
    expires_at: datetime
    access_token: str
    refresh_token: str | None
    id_token: str
    grants: Grants

    def __repr__(self) -> str:
        return "Tokens(***)"


@dataclass(frozen=True, slots=True)
class SealedTokens:
    """The small part that every proxied request reads (`bearer` and its times) apart from the rest.

    The grants are sealed with the bearer: no store sees what anybody may do.
    """

    bearer: bytes
    bearer_refresh_at: datetime
    bearer_expires_at: datetime
    rest: bytes


@dataclass(frozen=True, slots=True)
class SessionOwner:
    """Whose session it is: a user is `(issuer, subject)`. `provider_session` is the provider's `sid`."""

    issuer: str
    subject: str
    provider_session: str | None


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session in the store. `user` is what aiohttp-session hands to the handlers: never a token.

    `label` tells its owner which browser it is.
    """

    key: SessionKey
    owner: SessionOwner
    user: Mapping[str, Json]
    label: str
    tokens: SealedTokens
    created_at: datetime
    expires_at: datetime
    active_at: datetime

    @property
    def hot(self) -> "HotSession":
        """The part that every proxied request needs."""
        tokens = self.tokens
        return HotSession(
            bearer=tokens.bearer,
            bearer_refresh_at=tokens.bearer_refresh_at,
            bearer_expires_at=tokens.bearer_expires_at,
            expires_at=self.expires_at,
            active_at=self.active_at,
        )


@dataclass(frozen=True, slots=True)
class HotSession:
    """What a proxied request reads: the sealed bearer, its grants with it, and the clocks."""

    bearer: bytes
    bearer_refresh_at: datetime
    bearer_expires_at: datetime
    expires_at: datetime
    active_at: datetime


@dataclass(frozen=True)
class SessionLimits:
    """`idle`: how long without a request; `lifetime`: how long at all."""

    idle: timedelta
    lifetime: timedelta


def session_key(cookie: str) -> SessionKey:
    """The key in the store: a hash, so that whoever reads the store cannot make a cookie of it."""
    # A cookie of bytes that are no UTF-8 reaches us with surrogates: unknown, like any other junk.
    content = b"doorward/session/v1" + cookie.encode(errors="surrogatepass")
    return SessionKey(hashlib.sha256(content).hexdigest())


def public_id(key: SessionKey) -> str:
    """The name of a session in lists and answers: tells neither its key nor its cookie."""
    return hashlib.sha256(b"doorward/session-id/v1" + key.encode()).hexdigest()[:32]


def is_usable(record: SessionRecord | HotSession, limits: SessionLimits, now: datetime) -> bool:
    return now < record.expires_at and now < record.active_at + limits.idle


def is_worth_marking(active_at: datetime, limits: SessionLimits, now: datetime) -> bool:
    """Being active is written at most once per twentieth of the idle time."""
    return now - active_at >= limits.idle / _ACTIVITY_STEPS


def refresh_time(tokens: Tokens) -> datetime:
    """When to refresh: half a minute before expiry, or a fifth of a short life."""
    life = tokens.expires_at - tokens.issued_at
    return tokens.expires_at - min(_LONGEST_REFRESH_MARGIN, life * _REFRESH_SHARE)
