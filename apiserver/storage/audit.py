"""Statements about the audit chains of tenants."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, select, update

from apiserver.audit.chain import (
    FIRST_PREVIOUS_MAC,
    FIRST_SEQ,
    LARGEST_SEQ,
    AuditEvent,
    AuditEventId,
    Checkpoint,
)
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
_CONDITIONS = {
    "actor_id": _EVENTS.actor_id == bindparam("actor_id"),
    "action": _EVENTS.action == bindparam("action"),
    "target_id": _EVENTS.target_id == bindparam("target_id"),
    "since": _EVENTS.at >= bindparam("since"),
    "until": _EVENTS.at < bindparam("until"),
    "before_seq": _EVENTS.seq < bindparam("before_seq"),
    "after_seq": _EVENTS.seq > bindparam("after_seq"),
}
_TEXTS = tuple(name for name in _FIELDS if name not in {"tenant_id", "seq", "at", "mac"})
# SQLite keeps anything in any column: what somebody wrote past us may be no time at all.
_UNREADABLE = (ValueError, TypeError)
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


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
        try:
            return await self._read(page)
        except _UNREADABLE:
            return await self._read_one_by_one(page)

    async def seq_beyond(self, page: AuditPage, skipped: int) -> int | None:
        values = _given(page, "before_seq", "after_seq")
        beyond = _beyond(frozenset(values), is_newest_first=page.is_newest_first)
        row = await row_of(self.connection, beyond, {"tenant": page.tenant_id, "skipped": skipped, **values})
        return None if row is None else int(row.seq)

    async def _read(self, page: AuditPage) -> Sequence[AuditEvent]:
        values = _given(page, *_CONDITIONS)
        rows = await self.connection.rows(
            _page(frozenset(values), is_newest_first=page.is_newest_first),
            {"tenant": page.tenant_id, "most": page.limit, **values},
        )
        return [_as_event(row) for row in rows]

    async def _read_one_by_one(self, page: AuditPage) -> Sequence[AuditEvent]:
        found: list[AuditEvent] = []
        rest: AuditPage | None = replace(page, limit=1)
        while rest is not None and len(found) < page.limit:
            try:
                events = await self._read(rest)
            except _UNREADABLE:
                events = [await self._unreadable(rest)]
            found += events
            rest = replace(rest, **_behind(page, events[0].seq)) if events else None
        return found

    async def _unreadable(self, page: AuditPage) -> AuditEvent:
        """In place of the first event of the page: its MAC is wrong for sure."""
        values = _given(page, *_CONDITIONS)
        row = await row_of(
            self.connection,
            _page(frozenset(values), is_newest_first=page.is_newest_first, is_seq_only=True),
            {"tenant": page.tenant_id, "most": 1, **values},
        )
        if row is None:
            raise LookupError("an event of this view that was there is gone")
        return AuditEvent(
            tenant_id=page.tenant_id,
            seq=row.seq if isinstance(row.seq, int) else LARGEST_SEQ,
            id=AuditEventId(""),
            at=_NO_TIME,
            actor_kind="",
            actor_id="",
            action="unreadable",
            target_kind="",
            target_id="",
        )


def _given(page: AuditPage, *names: str) -> dict[str, Any]:
    values = {name: getattr(page, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _behind(page: AuditPage, seq: int) -> dict[str, Any]:
    return {"before_seq": seq} if page.is_newest_first else {"after_seq": seq}


@lru_cache
def _page(given: frozenset[str], *, is_newest_first: bool, is_seq_only: bool = False) -> Statement:
    found = select(_EVENTS.seq) if is_seq_only else select(audit_events)
    return statement(_in_order(found, given, is_newest_first=is_newest_first).limit(bindparam("most")))


@lru_cache
def _beyond(given: frozenset[str], *, is_newest_first: bool) -> Statement:
    found = _in_order(select(_EVENTS.seq), given, is_newest_first=is_newest_first)
    return statement(found.limit(1).offset(bindparam("skipped")))


def _in_order(found: Select[Any], given: frozenset[str], *, is_newest_first: bool) -> Select[Any]:
    return found.where(
        _EVENTS.tenant_id == bindparam("tenant"), *(_CONDITIONS[name] for name in sorted(given))
    ).order_by(_EVENTS.seq.desc() if is_newest_first else _EVENTS.seq)


def _as_event(row: Row) -> AuditEvent:
    is_text = not any(isinstance(getattr(row, name), bytes) for name in _TEXTS)
    if not (is_text and isinstance(row.mac, bytes) and isinstance(row.seq, int)):
        raise TypeError("a column of an audit event holds what this program never writes")
    return AuditEvent(**{name: getattr(row, name) for name in _FIELDS})
