"""Sessions as the handlers see them: begin, find, use, end. Sealing and the two clocks are kept here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import msgspec

from bff.session.grants import Grants
from bff.session.live import LiveConnections
from bff.session.record import (
    HotSession,
    SealedTokens,
    SessionKey,
    SessionLimits,
    SessionOwner,
    SessionRecord,
    Tokens,
    is_usable,
    is_worth_marking,
    refresh_time,
    session_key,
)
from bff.session.seal import Opener, Sealer
from bff.session.store import Lease, SessionStore
from common.clock import Clock
from common.http import Json
from common.randomness import Randomness, token_urlsafe

_HOT, _REST = "session-hot", "session-rest"


@dataclass(frozen=True)
class NewLogin:
    """What a login brings beside the claims of the user."""

    owner: SessionOwner
    tokens: Tokens
    label: str


class HotPart(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What every proxied request needs: what goes upstream, and what the login may do.

    `subject` is the user's `sub`; empty in a record of an agent before this one, until its next refresh.
    """

    bearer: str
    grants: Grants
    subject: str = ""

    def __repr__(self) -> str:
        return "HotPart(***)"


@dataclass(frozen=True, repr=False)
class Rest:
    """The tokens that a proxied request does not need."""

    access_token: str
    refresh_token: str | None
    id_token: str

    def __repr__(self) -> str:
        return "Rest(***)"


class _KeptRest(msgspec.Struct, array_like=True):
    """None: it is the bearer, which is kept once."""

    access_token: str | None
    refresh_token: str | None
    id_token: str | None


_HOT_PARTS = msgspec.msgpack.Decoder(HotPart)


@dataclass(frozen=True, repr=False)
class BrowserSession:
    """A usable session together with the cookie that opens its tokens."""

    cookie: str
    record: SessionRecord

    @property
    def key(self) -> SessionKey:
        return self.record.key


@dataclass(frozen=True)
class Sessions:
    store: SessionStore
    sealer: Sealer
    live: LiveConnections
    limits: SessionLimits
    clock: Clock
    randomness: Randomness

    @cached_property
    def _hot_opener(self) -> Opener:
        return Opener(self.sealer, _HOT)

    async def begin(self, login: NewLogin, user: Mapping[str, Json]) -> BrowserSession:
        """A new session under a new id. Deleting a former one of the same browser is the caller's part."""
        cookie, now = token_urlsafe(self.randomness), self.clock.now()
        record = SessionRecord(
            key=session_key(cookie),
            owner=login.owner,
            user=user,
            label=login.label,
            tokens=self._sealed(cookie, login.tokens, login.owner),
            created_at=now,
            expires_at=now + self.limits.lifetime,
            active_at=now,
        )
        await self.store.create(record)
        return BrowserSession(cookie, record)

    async def find(self, cookie: str | None) -> BrowserSession | None:
        """The session of this cookie, if it is within both of its lifetimes. Does not count as activity."""
        if cookie is None:
            return None
        record = await self.store.load(session_key(cookie))
        if record is None or not is_usable(record, self.limits, self.clock.now()):
            return None
        return BrowserSession(cookie, record)

    async def mark_active(self, session: BrowserSession) -> None:
        now = self.clock.now()
        if is_worth_marking(session.record.active_at, self.limits, now):
            await self.store.mark_active(session.key, now)

    async def end(self, key: SessionKey) -> bool:
        """Delete the record and close what it holds open; False when it was gone already."""
        was_there = await self.store.delete(key)
        self.live.close_all(key)
        return was_there

    async def save_tokens(
        self, session: BrowserSession, lease: Lease, tokens: Tokens
    ) -> BrowserSession | None:
        """The session with its new tokens; None when it or the lease has ended, and nothing was kept."""
        sealed = self._sealed(session.cookie, tokens, session.record.owner)
        if not await self.store.save_tokens(lease, sealed):
            return None
        return BrowserSession(session.cookie, replace(session.record, tokens=sealed))

    def bearer(self, session: BrowserSession) -> str | None:
        """What goes upstream; None when no key that we still have opens it."""
        hot = self.hot_part(session.cookie, session.record.tokens)
        return None if hot is None else hot.bearer

    def hot_part(self, cookie: str, sealed: HotSession | SealedTokens) -> HotPart | None:
        """The bearer and the grants; None when no key that we still have opens them with this cookie."""
        opened = self._hot_opener.open(cookie, sealed.bearer)
        return None if opened is None else _HOT_PARTS.decode(opened)

    def rest(self, session: BrowserSession) -> Rest | None:
        """The tokens that stay here; None when no key that we still have opens them."""
        opened = self.sealer.open(_REST, session.cookie, session.record.tokens.rest)
        bearer = self.bearer(session)
        if opened is None or bearer is None:
            return None
        kept = msgspec.msgpack.decode(opened, type=_KeptRest)
        return Rest(kept.access_token or bearer, kept.refresh_token, kept.id_token or bearer)

    def idle_expires_at(self, session: BrowserSession) -> datetime:
        return session.record.active_at + self.limits.idle

    async def remove_ended(self) -> int:
        """Remove expired records and close what sessions that are gone still hold open (the sweep)."""
        now = self.clock.now()
        removed = await self.store.remove_ended(now, self.limits.idle)
        holding = self.live.sessions()
        found = await self.store.load_hot(holding) if holding else {}
        for key in holding:
            if key not in found or not is_usable(found[key], self.limits, now):
                self.live.close_all(key)
        return removed

    async def close_announced(self) -> None:
        """Close what sessions held open as their ends are announced, by whichever process; never returns."""
        async for key in self.store.ended():
            self.live.close_all(key)

    def _sealed(self, cookie: str, tokens: Tokens, owner: SessionOwner) -> SealedTokens:
        rest = msgspec.msgpack.encode(_kept_rest(tokens))
        hot = msgspec.msgpack.encode(HotPart(tokens.bearer, tokens.grants, owner.subject))
        return SealedTokens(
            bearer=self.sealer.seal(_HOT, cookie, hot),
            bearer_refresh_at=refresh_time(tokens),
            bearer_expires_at=tokens.expires_at,
            rest=self.sealer.seal(_REST, cookie, rest),
        )


def _kept_rest(tokens: Tokens) -> _KeptRest:
    return _KeptRest(
        access_token=None if tokens.bearer == tokens.access_token else tokens.access_token,
        refresh_token=tokens.refresh_token,
        id_token=None if tokens.bearer == tokens.id_token else tokens.id_token,
    )
