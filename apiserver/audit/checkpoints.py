"""Checkpoints of the audit chains in the server's log, where who can write to the database cannot reach.

Whoever cuts the tail of a chain and sets its head back, or rolls all of it back, leaves a chain that is
intact, and shorter than the log says.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog

from apiserver.audit.chain import Checkpoint
from apiserver.storage.contracts import Storage, Transaction
from apiserver.tenants.tenants import TenantId

WRITE_INTERVAL = timedelta(minutes=1)

_READ_AT_ONCE = 200

log = structlog.get_logger(__name__)


class CheckpointLog:
    """Holds the tenants with events since the look before the last one, and what was written of them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._noted: set[TenantId] = set()
        self._noted_before: set[TenantId] = set()
        self._written: dict[TenantId, Checkpoint] = {}

    def note(self, tenant_id: TenantId) -> None:
        """An event of this tenant is being appended; called in any thread, before the commit."""
        self._noted.add(tenant_id)

    async def keep_writing(self) -> None:
        """For `Tasks.keep_running`."""
        while True:
            await asyncio.sleep(WRITE_INTERVAL.total_seconds())
            await self.write()

    async def write(self) -> None:
        """A line for each noted tenant whose head moved. What cannot be read now stays noted."""
        noted = self._take()
        # Those of the last time once more: their transaction may have ended after that look only.
        waiting = sorted(noted | self._noted_before)
        try:
            while waiting:
                self._write(await self._heads(waiting[:_READ_AT_ONCE]))
                del waiting[:_READ_AT_ONCE]
        except BaseException:
            self._noted |= noted
            raise
        self._noted_before = noted
        self._written = {tenant_id: head for tenant_id, head in self._written.items() if tenant_id in noted}

    def _take(self) -> set[TenantId]:
        # One by one, each step whole: a storage's thread may add meanwhile.
        taken = set()
        while self._noted:
            taken.add(self._noted.pop())
        return taken

    async def _heads(self, tenant_ids: Sequence[TenantId]) -> list[tuple[TenantId, Checkpoint | None]]:
        async def look(view: Transaction) -> list[tuple[TenantId, Checkpoint | None]]:
            return [(tenant_id, await view.audit.head(tenant_id)) for tenant_id in tenant_ids]

        return await self._storage.read(look)

    def _write(self, heads: Iterable[tuple[TenantId, Checkpoint | None]]) -> None:
        for tenant_id, head in heads:
            # None: the transaction that noted it was not kept.
            if head is not None and head != self._written.get(tenant_id):
                log.info("audit_checkpoint", tenant_id=tenant_id, seq=head.seq, mac=head.mac.hex())
                self._written[tenant_id] = head
