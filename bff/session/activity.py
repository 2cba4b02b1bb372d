"""Being active is noted in memory and written once a second: a request never waits for it."""

from contextlib import suppress
from datetime import datetime

from bff.session.record import SessionKey, SessionLimits, is_worth_marking
from bff.session.store import SessionStore, StoreUnavailableError


class Activity:
    def __init__(self, store: SessionStore, limits: SessionLimits) -> None:
        self._store = store
        self._limits = limits
        self._noted: dict[SessionKey, datetime] = {}

    def note(self, key: SessionKey, active_at: datetime, now: datetime) -> None:
        """The session was used now. `active_at` is what the store says of it so far."""
        if is_worth_marking(active_at, self._limits, now):
            self._noted[key] = now

    async def write(self) -> int:
        """Write what was noted; how many sessions that were. What the store refuses is noted again by use."""
        noted, self._noted = self._noted, {}
        for key, now in noted.items():
            with suppress(StoreUnavailableError):
                await self._store.mark_active(key, now)
        return len(noted)
