"""Sessions in this process's memory: for one process, gone when it ends."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from bff.session.record import HotSession, SealedTokens, SessionKey, SessionOwner, SessionRecord
from bff.session.store import Lease
from common.clock import Clock
from common.http import Json

_MOST_UNHEARD = 10_000

_Index: TypeAlias = tuple[str, str, str]


@dataclass
class _LeaseState:
    fence: int = 0
    holder: str | None = None
    until: datetime | None = None
    is_sent: bool = False


class MemorySessionStore:
    """The contract of `SessionStore`. Nothing here awaits, so each method is atomic."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[SessionKey, SessionRecord] = {}
        self._hot: dict[SessionKey, HotSession] = {}
        self._keys_of: dict[_Index, set[SessionKey]] = {}
        self._leases: dict[SessionKey, _LeaseState] = {}
        self._once: dict[str, tuple[bytes, datetime]] = {}
        self._listeners: set[asyncio.Queue[SessionKey]] = set()

    async def create(self, record: SessionRecord) -> None:
        self._keep(record)
        for index in _indexes(record.owner):
            self._keys_of.setdefault(index, set()).add(record.key)

    async def load(self, key: SessionKey) -> SessionRecord | None:
        return self._records.get(key)

    def peek(self, key: SessionKey) -> HotSession | None:
        """For the data plane: the hot part, without a pause in which others could run."""
        return self._hot.get(key)

    async def load_hot(self, keys: Sequence[SessionKey]) -> Mapping[SessionKey, HotSession]:
        return {key: self._hot[key] for key in keys if key in self._hot}

    async def save_tokens(self, lease: Lease, tokens: SealedTokens) -> bool:
        state = self._leases.get(lease.key)
        if state is None or state.fence != lease.fence or not self._change(lease.key, tokens=tokens):
            return False
        self._leases[lease.key] = _LeaseState(fence=lease.fence)
        return True

    async def save_user(self, key: SessionKey, user: Mapping[str, Json]) -> bool:
        return self._change(key, user=user)

    async def mark_active(self, key: SessionKey, active_at: datetime) -> None:
        record = self._records.get(key)
        if record is not None and record.active_at < active_at:
            self._change(key, active_at=active_at)

    async def delete(self, key: SessionKey) -> bool:
        if not self._remove(key):
            return False
        for listener in self._listeners:
            if listener.qsize() < _MOST_UNHEARD:
                listener.put_nowait(key)
        return True

    async def sessions_of(self, owner: SessionOwner) -> list[SessionRecord]:
        records = self._found(("user", owner.issuer, owner.subject))
        wanted = owner.provider_session
        return [record for record in records if wanted in {None, record.owner.provider_session}]

    async def sessions_of_login(self, issuer: str, provider_session: str) -> list[SessionRecord]:
        return self._found(("login", issuer, provider_session))

    async def take_lease(self, key: SessionKey, holder: str, lifetime: timedelta) -> Lease | None:
        if key not in self._records:
            return None
        state = self._leases.setdefault(key, _LeaseState())
        now = self._clock.now()
        if state.holder is not None and state.until is not None and now < state.until:
            return None
        state.fence += 1
        state.holder, state.until = holder, now + lifetime
        return Lease(key, holder, state.fence, state.is_sent)

    async def renew_lease(self, lease: Lease, lifetime: timedelta) -> bool:
        if not self._holds(lease):
            return False
        self._leases[lease.key].until = self._clock.now() + lifetime
        return True

    async def mark_sent(self, lease: Lease) -> bool:
        if not self._holds(lease):
            return False
        self._leases[lease.key].is_sent = True
        return True

    async def release_lease(self, lease: Lease, *, was_answered: bool) -> None:
        if self._holds(lease):
            is_sent = self._leases[lease.key].is_sent and not was_answered
            self._leases[lease.key] = _LeaseState(fence=lease.fence, is_sent=is_sent)

    async def put_once(self, name: str, value: bytes, expires_at: datetime) -> bool:
        if await self.is_kept(name):
            return False
        self._once[name] = (value, expires_at)
        return True

    async def is_kept(self, name: str) -> bool:
        kept = self._once.get(name)
        return kept is not None and self._clock.now() < kept[1]

    async def take_once(self, name: str) -> bytes | None:
        now = self._clock.now()
        value, expires_at = self._once.pop(name, (b"", now))
        return value if now < expires_at else None

    async def ended(self) -> AsyncIterator[SessionKey]:
        listener: asyncio.Queue[SessionKey] = asyncio.Queue()
        self._listeners.add(listener)
        try:
            while True:
                yield await listener.get()
        finally:
            self._listeners.discard(listener)

    async def remove_ended(self, now: datetime, idle: timedelta) -> int:
        ended = [
            key
            for key, record in self._records.items()
            if record.expires_at <= now or record.active_at + idle <= now
        ]
        for key in ended:
            self._remove(key)
        for name in [name for name, (_, expires_at) in self._once.items() if expires_at <= now]:
            del self._once[name]
        return len(ended)

    def _holds(self, lease: Lease) -> bool:
        state = self._leases.get(lease.key)
        if state is None or state.holder != lease.holder or state.fence != lease.fence:
            return False
        return state.until is not None and self._clock.now() < state.until

    def _remove(self, key: SessionKey) -> bool:
        record = self._records.pop(key, None)
        self._hot.pop(key, None)
        self._leases.pop(key, None)
        if record is None:
            return False
        for index in _indexes(record.owner):
            self._keys_of[index].discard(key)
            if not self._keys_of[index]:
                del self._keys_of[index]
        return True

    def _found(self, index: _Index) -> list[SessionRecord]:
        return [self._records[key] for key in self._keys_of.get(index, set())]

    def _change(self, key: SessionKey, **changes: object) -> bool:
        record = self._records.get(key)
        if record is None:
            return False
        self._keep(replace(record, **changes))  # type: ignore[arg-type] # names are fixed above
        return True

    def _keep(self, record: SessionRecord) -> None:
        self._records[record.key] = record
        self._hot[record.key] = record.hot


def _indexes(owner: SessionOwner) -> list[_Index]:
    by_user = ("user", owner.issuer, owner.subject)
    if owner.provider_session is None:
        return [by_user]
    return [by_user, ("login", owner.issuer, owner.provider_session)]
