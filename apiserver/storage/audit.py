"""Statements about the audit chains of tenants."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from sqlalchemy import bindparam, select, update

from apiserver.audit.chain import FIRST_PREVIOUS_MAC, FIRST_SEQ, AuditEvent, AuditEventId, Checkpoint
from apiserver.storage.engine import Connection, row_of
from apiserver.storage.records import AuditPage
from apiserver.storage.statement import Row, Statement, insert_into, insert_unless_there, statement
from apiserver.storage.tables import audit_events, audit_heads
from apiserver.tenants.tenants import TenantId

_HEADS, _EVENTS = audit_heads.c, audit_events.c
_ADD_HEAD = insert_unless_there(audit_heads, by=("tenant_id",))
_HEAD_OF = select(_HEADS.seq, _HEADS.mac).where(_HEADS.tenant_id == bindparam("tenant"))
_HEAD = statement(_HEAD_OF)
_LOCK_HEAD = statement(_HEAD_OF.with_for_update())
_SET_HEAD = statement(
    update(audit_heads)
    .where(_HEADS.tenant_id == bindparam("tenant"))
    .values(seq=bindparam("new_seq"), mac=bindparam("new_mac"))
)
_ADD_EVENT = insert_into(audit_events)
_FIELDS = tuple(field.name for field in fields(AuditEvent))


@dataclass(frozen=True, slots=True)
class SqlAudit:
    """`contracts.AuditRepository`."""

    connection: Connection

    async def locked_head(self, tenant_id: TenantId) -> Checkpoint:
        row = await row_of(self.connection, _LOCK_HEAD, {"tenant": tenant_id})
        if row is None:
            first = {"tenant_id": tenant_id, "seq": FIRST_SEQ - 1, "mac": FIRST_PREVIOUS_MAC}
            await self.connection.rows(_ADD_HEAD, first)
            row = await row_of(self.connection, _LOCK_HEAD, {"tenant": tenant_id})
            if row is None:
                raise LookupError("the head of a chain that was just made is gone")
        return Checkpoint(row.seq, row.mac)

    async def append(self, event: AuditEvent) -> None:
        await self.connection.rows(_ADD_EVENT, {name: getattr(event, name) for name in _FIELDS})
        await self.connection.rows(
            _SET_HEAD, {"tenant": event.tenant_id, "new_seq": event.seq, "new_mac": event.mac}
        )

    async def head(self, tenant_id: TenantId) -> Checkpoint | None:
        row = await row_of(self.connection, _HEAD, {"tenant": tenant_id})
        return None if row is None else Checkpoint(row.seq, row.mac)

    async def page(self, page: AuditPage) -> Sequence[AuditEvent]:
        given = {
            "actor_id": page.actor_id,
            "action": page.action,
            "target_id": page.target_id,
            "since": page.since,
            "until": page.until,
            "before_seq": page.before_seq,
            "after_seq": page.after_seq,
        }
        values = {name: value for name, value in given.items() if value is not None}
        statement_ = _page(frozenset(values), is_newest_first=page.is_newest_first)
        rows = await self.connection.rows(
            statement_, {"tenant": page.tenant_id, "most": page.limit, **values}
        )
        return [_as_event(row) for row in rows]


@lru_cache
def _page(given: frozenset[str], *, is_newest_first: bool) -> Statement:
    conditions = {
        "actor_id": _EVENTS.actor_id == bindparam("actor_id"),
        "action": _EVENTS.action == bindparam("action"),
        "target_id": _EVENTS.target_id == bindparam("target_id"),
        "since": _EVENTS.at >= bindparam("since"),
        "until": _EVENTS.at < bindparam("until"),
        "before_seq": _EVENTS.seq < bindparam("before_seq"),
        "after_seq": _EVENTS.seq > bindparam("after_seq"),
    }
    return statement(
        select(audit_events)
        .where(_EVENTS.tenant_id == bindparam("tenant"), *(conditions[name] for name in sorted(given)))
        .order_by(_EVENTS.seq.desc() if is_newest_first else _EVENTS.seq)
        .limit(bindparam("most"))
    )


def _as_event(row: Row) -> AuditEvent:
    return AuditEvent(
        tenant_id=TenantId(row.tenant_id),
        seq=row.seq,
        id=AuditEventId(row.id),
        at=row.at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        action=row.action,
        target_kind=row.target_kind,
        target_id=row.target_id,
        address=row.address,
        request_id=row.request_id,
        before=row.before,
        after=row.after,
        key_id=row.key_id,
        mac=row.mac,
    )
