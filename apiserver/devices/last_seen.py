"""When devices were last seen: noted in memory, written in batches, so that no request costs a write."""

import asyncio
from datetime import datetime, timedelta

from apiserver.devices.device import DeviceId
from apiserver.storage.contracts import Storage, Transaction

WRITE_INTERVAL = timedelta(seconds=20)
"""Well below the shortest silence after which an ephemeral device leaves."""

_LARGEST_BATCH = 500


class LastSeen:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._noted: dict[DeviceId, datetime] = {}

    def note(self, device_id: DeviceId, at: datetime) -> None:
        self._noted[device_id] = at

    async def keep_writing(self) -> None:
        """For `Tasks.keep_running`."""
        while True:
            await asyncio.sleep(WRITE_INTERVAL.total_seconds())
            await self.write()

    async def write(self) -> None:
        """Writes all that was noted. What cannot be written now stays noted."""
        noted, self._noted = self._noted, {}
        waiting = list(noted.items())
        try:
            while waiting:
                await self._write(waiting[:_LARGEST_BATCH])
                del waiting[:_LARGEST_BATCH]
        finally:
            # Newer ones may have been noted meanwhile: they win.
            self._noted = {**dict(waiting), **self._noted}

    async def _write(self, batch: list[tuple[DeviceId, datetime]]) -> None:
        # In one order everywhere, or two servers could each hold what the other waits for.
        ordered = sorted(batch)

        async def write(transaction: Transaction) -> None:
            for device_id, at in ordered:
                await transaction.devices.seen(device_id, at)

        await self._storage.write(write)
