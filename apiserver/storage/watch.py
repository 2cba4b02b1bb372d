"""Whether the storage answers, for `/readyz`: asked in the background, so that probes put no load on it."""

import asyncio
from datetime import timedelta

from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import Storage

LOOK_INTERVAL = timedelta(seconds=2)


class StorageWatch:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._fault: str | None = "The storage has not been asked yet."

    def fault(self) -> str | None:
        """What was found at the last look, as a sentence; None when the storage answered."""
        return self._fault

    async def look(self) -> None:
        try:
            await self._storage.ping()
        except StorageUnavailableError as error:
            self._fault = f"The storage does not answer ({error.cause})."
        else:
            self._fault = None

    async def keep_looking(self) -> None:
        """Sleep, then look: for `Tasks.keep_running`, after a first look."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL.total_seconds())
            await self.look()
