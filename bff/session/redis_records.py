"""How a session stands in Redis: the names of its keys, and what is written under each.

Who the session belongs to, the claims and the label are personal data: they are sealed with the server key
and bound to their record, so that a dump tells nothing about anybody. The tokens come sealed already.
"""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec

from bff.session.record import HotSession, SealedTokens, SessionKey, SessionOwner, SessionRecord
from bff.session.seal import Sealer
from common.http import Json

ENDED_CHANNEL = "dw:ended"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_USER, _ABOUT = "session-user", "session-about"
# An index entry whose record is missing may belong to a login that is just being written.
_YOUNG = timedelta(minutes=5)


@dataclass(frozen=True)
class SessionKeys:
    """The keys of one session, in the order in which all scripts take them."""

    session: SessionKey

    @property
    def all(self) -> tuple[str, ...]:
        parts = ("hot", "clocks", "rest", "user", "about", "refresh", "lease")
        return tuple(f"dw:{{{self.session}}}:{part}" for part in parts)

    @property
    def of_hot(self) -> tuple[str, ...]:
        # The first two of `all`, without making the others: this is read for each proxied request.
        return f"dw:{{{self.session}}}:hot", f"dw:{{{self.session}}}:clocks"

    @property
    def of_record(self) -> tuple[str, ...]:
        return self.all[:5]


@dataclass(frozen=True)
class IndexEntry:
    """A session in the index of its user, or of its login at the provider."""

    session: SessionKey
    created_at: datetime

    def __str__(self) -> str:
        return f"{self.session} {microseconds(self.created_at)}"

    def is_young(self, now: datetime) -> bool:
        return now < self.created_at + _YOUNG


class _Hot(msgspec.Struct, array_like=True):
    bearer: bytes
    refresh_at: datetime
    expires_at: datetime


_HOT_PARTS = msgspec.msgpack.Decoder(_Hot)


@dataclass(frozen=True)
class RecordCodec:
    sealer: Sealer

    def parts_of(self, record: SessionRecord) -> tuple[bytes, ...]:
        """The values of `SessionKeys.of_record`."""
        hot, rest = tokens_parts(record.tokens)
        clocks = f"{microseconds(record.active_at)} {microseconds(record.expires_at)}".encode()
        return hot, clocks, rest, self.user_part(record.key, record.user), self._about_part(record)

    def user_part(self, key: SessionKey, user: object) -> bytes:
        return self.sealer.seal(_USER, key, _json(user))

    def record_from(self, key: SessionKey, parts: Sequence[bytes | None]) -> SessionRecord | None:
        """None when a part is missing, or sealed with a key that is lost, as its tokens are then too."""
        hot_part, clocks, rest, user_part, about_part = parts
        hot = hot_from((hot_part, clocks))
        user = self.sealer.open(_USER, key, user_part or b"")
        about = self.sealer.open(_ABOUT, key, about_part or b"")
        if hot is None or rest is None or user is None or about is None:
            return None
        owner, label, created_at = _about_from(about)
        return SessionRecord(
            key=key,
            owner=owner,
            user=cast("dict[str, Json]", json.loads(user)),
            label=label,
            tokens=SealedTokens(hot.bearer, hot.bearer_refresh_at, hot.bearer_expires_at, rest),
            created_at=created_at,
            expires_at=hot.expires_at,
            active_at=hot.active_at,
        )

    def indexes_of(self, owner: SessionOwner) -> list[str]:
        """The keys of the indexes that a session of this owner is written to."""
        indexes = [self.user_indexes(owner.issuer, owner.subject)[0]]
        if owner.provider_session is not None:
            indexes.append(self.login_indexes(owner.issuer, owner.provider_session)[0])
        return indexes

    def user_indexes(self, issuer: str, subject: str) -> list[str]:
        """Where the sessions of a user are found: one key for each server key, the first is written to."""
        return self._indexes("user", issuer, subject)

    def login_indexes(self, issuer: str, provider_session: str) -> list[str]:
        """Where the sessions of a login at the provider are found."""
        return self._indexes("login", issuer, provider_session)

    def owner_in(self, key: SessionKey, about_part: bytes) -> tuple[SessionOwner, datetime] | None:
        """Whose session it was that was just deleted, and since when."""
        about = self.sealer.open(_ABOUT, key, about_part)
        if about is None:
            return None
        owner, _, created_at = _about_from(about)
        return owner, created_at

    def _indexes(self, kind: str, *names: str) -> list[str]:
        # Keyed, not only hashed: subjects are often short or known, and could be guessed from a plain hash.
        content = b"doorward/index/v1" + _json([kind, *names])
        digests = [hmac.digest(key, content, "sha256") for key in self.sealer.server_keys]
        return [f"dw:{kind}:{digest.hex()}" for digest in digests]

    def _about_part(self, record: SessionRecord) -> bytes:
        owner, created_us = record.owner, microseconds(record.created_at)
        about = [owner.issuer, owner.subject, owner.provider_session, record.label, created_us]
        return self.sealer.seal(_ABOUT, record.key, _json(about))


def tokens_parts(tokens: SealedTokens) -> tuple[bytes, bytes]:
    """The values of the keys `hot` and `rest`."""
    hot = _Hot(tokens.bearer, tokens.bearer_refresh_at, tokens.bearer_expires_at)
    return msgspec.msgpack.encode(hot), tokens.rest


def hot_from(parts: Sequence[bytes | None]) -> HotSession | None:
    """What stands in `SessionKeys.of_hot`; None when it is gone."""
    hot_part, clocks = parts
    if hot_part is None or clocks is None:
        return None
    hot = _HOT_PARTS.decode(hot_part)
    active_us, expires_us = clocks.split()
    return HotSession(
        bearer=hot.bearer,
        bearer_refresh_at=hot.refresh_at,
        bearer_expires_at=hot.expires_at,
        expires_at=_moment(int(expires_us)),
        active_at=_moment(int(active_us)),
    )


def entry_from(member: bytes) -> IndexEntry:
    session, created_us = member.decode().split()
    return IndexEntry(SessionKey(session), _moment(int(created_us)))


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def milliseconds(span: timedelta) -> int:
    """At least one: Redis takes no less for a time to live."""
    return max(1, span // _MILLISECOND)


def _moment(count_us: int) -> datetime:
    return _EPOCH + count_us * _MICROSECOND


def _about_from(about: bytes) -> tuple[SessionOwner, str, datetime]:
    issuer, subject, provider_session, label, created_us = json.loads(about)
    return SessionOwner(issuer, subject, provider_session), label, _moment(created_us)


def _json(value: object) -> bytes:
    # Not msgspec: claims may hold numbers of any size, and a User-Agent bytes that are no text.
    return json.dumps(value).encode()
