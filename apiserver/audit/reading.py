"""Reading a tenant's events in steps, so that no read is long, however many events there are.

Each step is a view of its own, and sees whether the reader may still read. Events are only ever appended, so
steps fit together.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from apiserver.audit.chain import AuditEvent
from apiserver.auth.permissions import Deed
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import AuditPage
from apiserver.tenants.acting import Acting
from apiserver.tenants.membership import membership_for

LONGEST_STEP = 5_000
"""So many events a step looks through for those that a filter lets pass: some ten milliseconds."""


async def walk(
    storage: Storage, page: AuditPage, reader: Acting
) -> AsyncGenerator[Sequence[AuditEvent], None]:
    """All events from where `page` begins, at most its limit at a time; some batches are empty.

    Raises `ProblemError` for who may not read them, at any step.
    """
    rest: AuditPage | None = page
    while rest is not None:
        batch, rest = await _step(storage, rest, reader)
        yield batch


async def _step(
    storage: Storage, page: AuditPage, reader: Acting
) -> tuple[Sequence[AuditEvent], AuditPage | None]:
    """Events, and where the next step begins."""

    async def look(view: Transaction) -> tuple[Sequence[AuditEvent], int | None]:
        await membership_for(view, page.tenant_id, reader, Deed.READ_AUDIT)
        end = await view.audit.seq_beyond(page, LONGEST_STEP) if page.has_filters else None
        return await view.audit.page(page if end is None else _until(page, end)), end

    found, end = await storage.read(look)
    if len(found) == page.limit:
        return found, _after(page, found[-1].seq)
    return found, None if end is None else _from(page, end)


def _until(page: AuditPage, seq: int) -> AuditPage:
    return replace(page, after_seq=seq) if page.is_newest_first else replace(page, before_seq=seq)


def _after(page: AuditPage, seq: int) -> AuditPage:
    return replace(page, before_seq=seq) if page.is_newest_first else replace(page, after_seq=seq)


def _from(page: AuditPage, seq: int) -> AuditPage:
    return _after(page, seq + 1 if page.is_newest_first else seq - 1)
