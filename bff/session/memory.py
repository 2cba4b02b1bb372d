"""Sessions in this process's memory: for one process, gone when it ends."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from bff.session.record import SealedTokens, SessionKey, SessionRecord
from common.http import Json


class MemorySessionStore:
    """The contract of `SessionStore`. Nothing here awaits, so each method is atomic."""

    def __init__(self) -> None:
        self._records: dict[SessionKey, SessionRecord] = {}
        self._once: dict[str, tuple[bytes, datetime]] = {}

    async def create(self, record: SessionRecord) -> None:
        self._records[record.key] = record

    async def load(self, key: SessionKey) -> SessionRecord | None:
        return self._records.get(key)

    async def save_tokens(self, key: SessionKey, tokens: SealedTokens) -> bool:
        return self._change(key, tokens=tokens)

    async def save_user(self, key: SessionKey, user: Mapping[str, Json]) -> bool:
        return self._change(key, user=user)

    async def mark_active(self, key: SessionKey, active_at: datetime) -> None:
        record = self._records.get(key)
        if record is not None and record.active_at < active_at:
            self._change(key, active_at=active_at)

    async def delete(self, key: SessionKey) -> bool:
        return self._records.pop(key, None) is not None

    async def put_once(self, name: str, value: bytes, expires_at: datetime) -> bool:
        if name in self._once:
            return False
        self._once[name] = (value, expires_at)
        return True

    async def take_once(self, name: str, now: datetime) -> bytes | None:
        value, expires_at = self._once.pop(name, (b"", now))
        return value if now < expires_at else None

    async def remove_ended(self, now: datetime, idle_since: datetime) -> int:
        ended = [
            key
            for key, record in self._records.items()
            if record.expires_at <= now or record.active_at <= idle_since
        ]
        for key in ended:
            del self._records[key]
        for name in [name for name, (_, expires_at) in self._once.items() if expires_at <= now]:
            del self._once[name]
        return len(ended)

    def _change(self, key: SessionKey, **changes: object) -> bool:
        record = self._records.get(key)
        if record is None:
            return False
        self._records[key] = replace(record, **changes)  # type: ignore[arg-type] # names are fixed above
        return True
