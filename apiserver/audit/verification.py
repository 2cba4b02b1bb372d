"""Verifying a tenant's chain where it is kept: in steps, while events go on being appended."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from apiserver.audit.chain import FIRST_SEQ, LARGEST_SEQ, AuditEvent, Checkpoint, Fault, verify
from apiserver.audit.turns import Turns
from apiserver.auth.permissions import Deed
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import AuditPage
from apiserver.tenants.acting import Acting
from apiserver.tenants.membership import membership_for
from apiserver.tenants.tenants import TenantId

_STEP = 250
"""Events between two looks of the server at its other requests: some four milliseconds."""

# A long chain takes seconds, and goes on when the client has left: twenty at once would slow all requests.
_BUSY = "The audit events of this tenant are being verified. Try again when that is done."


@dataclass(frozen=True, slots=True)
class Verdict:
    """`head` is what the verification began with: what was appended meanwhile is for the next one."""

    events: int
    head: Checkpoint | None
    faults: Sequence[Fault]


@dataclass(frozen=True)
class ChainVerification:
    """`keys`: all that events were ever written with, by their ids."""

    storage: Storage
    keys: Mapping[str, bytes]
    _turns: Turns = field(default_factory=lambda: Turns(1, _BUSY), init=False)

    async def verify(self, tenant_id: TenantId, checkpoints: Sequence[Checkpoint], reader: Acting) -> Verdict:
        """Raises `ProblemError` for who may not read the tenant's events, and while it is being done."""

        async def begin(view: Transaction) -> tuple[Checkpoint | None, Sequence[AuditEvent]]:
            await membership_for(view, tenant_id, reader, Deed.READ_AUDIT)
            newest = AuditPage(tenant_id=tenant_id, limit=1, is_newest_first=True)
            return await view.audit.head(tenant_id), await view.audit.page(newest)

        # In one view: an event that the head does not name was not written by us.
        head, newest = await self.storage.read(begin)
        chain = _Chain(self.storage, tenant_id, newest[0].seq if newest else FIRST_SEQ - 1)
        with self._turns.taken(tenant_id):
            faults = await verify(self.keys, chain.events(), head, checkpoints)
        return Verdict(chain.count, head, faults)


@dataclass
class _Chain:
    """The events of a tenant up to one of them, and how many were read."""

    storage: Storage
    tenant_id: TenantId
    last_seq: int
    count: int = 0

    async def events(self) -> AsyncIterator[AuditEvent]:
        page = AuditPage(
            tenant_id=self.tenant_id,
            limit=_STEP,
            is_newest_first=False,
            before_seq=min(self.last_seq, LARGEST_SEQ - 1) + 1,
        )
        while batch := await self._read(page):
            self.count += len(batch)
            for event in batch:
                yield event
            page = replace(page, after_seq=batch[-1].seq)

    async def _read(self, page: AuditPage) -> Sequence[AuditEvent]:
        return await self.storage.read(lambda view: view.audit.page(page))
