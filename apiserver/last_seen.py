"""When things were last seen or used: noted in memory, written in batches. No request costs a write."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeAlias, TypeVar

from apiserver.storage.contracts import Storage, Transaction

WRITE_INTERVAL = timedelta(seconds=20)
"""Well below the shortest silence after which an ephemeral device leaves."""

_LARGEST_BATCH = 500

IdT = TypeVar("IdT", bound=str)
Keep: TypeAlias = Callable[[Transaction, IdT, datetime], Awaitable[None]]


class LastSeen(Generic[IdT]):
    """Of things of one kind; `keep` writes the moment of one of them."""

    def __init__(self, storage: Storage, keep: Keep[IdT]) -> None:
        self._storage = storage
        self._keep = keep
        self._noted: dict[IdT, datetime] = {}

    def note(self, id_: IdT, at: datetime) -> None:
        self._noted[id_] = at

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

    async def _write(self, batch: list[tuple[IdT, datetime]]) -> None:
        # In one order everywhere, or two servers could each hold what the other waits for.
        ordered = sorted(batch)

        async def write(transaction: Transaction) -> None:
            for id_, at in ordered:
                await self._keep(transaction, id_, at)

        await self._storage.write(write)
