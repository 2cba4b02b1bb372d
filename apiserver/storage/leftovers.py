"""Statements about what nobody needs any more: devices that ran out, rows past their keeping time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, bindparam, delete, func, select, tuple_

from apiserver.devices.device import DeviceId, DeviceState
from apiserver.storage.engine import Connection
from apiserver.storage.statement import Statement, statement
from apiserver.storage.tables import (
    device_tokens,
    devices,
    idempotency_keys,
    invitations,
    registration_token_secrets,
    service_tokens,
)

_DEVICES, _INVITATIONS, _SERVICE_TOKENS = devices.c, invitations.c, service_tokens.c
_CAN_RUN_OUT = and_(_DEVICES.ended_at.is_(None), _DEVICES.state != DeviceState.SUSPENDED.value)
_EPHEMERAL_TIMES = statement(
    select(_DEVICES.ephemeral_s)
    .where(_DEVICES.ephemeral_s.is_not(None), _DEVICES.ended_at.is_(None))
    .distinct()
    .order_by(_DEVICES.ephemeral_s)
)


def _silent(condition: ColumnElement[bool]) -> Statement:
    found = select(_DEVICES.id).where(_DEVICES.ephemeral_s == bindparam("silence_s"), _CAN_RUN_OUT, condition)
    return statement(found.limit(bindparam("most")))


# Apart: an OR of both would look at all live devices with this silence.
_SILENT = _silent(_DEVICES.last_seen_at <= bindparam("since"))
_NEVER_SEEN = _silent(and_(_DEVICES.last_seen_at.is_(None), _DEVICES.registered_at <= bindparam("since")))
_OVERDUE = statement(
    select(_DEVICES.id).where(_DEVICES.expires_at <= bindparam("now"), _CAN_RUN_OUT).limit(bindparam("most"))
)
_ENDED = statement(
    select(_DEVICES.id)
    .where(_DEVICES.ended_at < bindparam("before"))
    .order_by(_DEVICES.ended_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_REMOVE_TOKENS_OF = statement(delete(device_tokens).where(device_tokens.c.device_id == bindparam("device")))
_REMOVE_DEVICE = statement(delete(devices).where(_DEVICES.id == bindparam("device")))


def _removal(table: Table, ended: ColumnElement[Any]) -> Statement:
    """Removes some rows that ended before then, and leaves those alone that another server is removing."""
    key: list[Column[Any]] = list(table.primary_key)
    some = (
        select(*key)
        .where(ended < bindparam("before"))
        .order_by(ended)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )
    return statement(delete(table).where(tuple_(*key).in_(some)).returning(*key))


_REMOVE_DEVICE_TOKENS = _removal(device_tokens, device_tokens.c.revoked_at)
_REMOVE_SECRETS = _removal(registration_token_secrets, registration_token_secrets.c.revoked_at)
_REMOVE_KEYS = _removal(idempotency_keys, idempotency_keys.c.created_at)
_REMOVE_INVITATIONS = _removal(
    invitations, func.coalesce(_INVITATIONS.accepted_at, _INVITATIONS.revoked_at, _INVITATIONS.expires_at)
)
_REMOVE_SERVICE_TOKENS = _removal(
    service_tokens, func.coalesce(_SERVICE_TOKENS.revoked_at, _SERVICE_TOKENS.expires_at)
)


@dataclass(frozen=True, slots=True)
class SqlLeftovers:
    """`contracts.LeftoverRepository`."""

    connection: Connection

    async def ephemeral_times(self) -> Sequence[int]:
        return [row.ephemeral_s for row in await self.connection.rows(_EPHEMERAL_TIMES, {})]

    async def silent_devices(self, ephemeral_s: int, since: datetime, limit: int) -> Sequence[DeviceId]:
        values = {"silence_s": ephemeral_s, "since": since, "most": limit}
        rows = [
            *await self.connection.rows(_SILENT, values),
            *await self.connection.rows(_NEVER_SEEN, values),
        ]
        return [DeviceId(row.id) for row in rows[:limit]]

    async def overdue_devices(self, now: datetime, limit: int) -> Sequence[DeviceId]:
        rows = await self.connection.rows(_OVERDUE, {"now": now, "most": limit})
        return [DeviceId(row.id) for row in rows]

    async def remove_ended_devices(self, before: datetime, limit: int) -> int:
        ended = await self.connection.rows(_ENDED, {"before": before, "most": limit})
        for row in ended:
            await self.connection.rows(_REMOVE_TOKENS_OF, {"device": row.id})
            await self.connection.rows(_REMOVE_DEVICE, {"device": row.id})
        return len(ended)

    async def remove_device_tokens(self, before: datetime, limit: int) -> int:
        return await self._remove(_REMOVE_DEVICE_TOKENS, before, limit)

    async def remove_registration_token_secrets(self, before: datetime, limit: int) -> int:
        return await self._remove(_REMOVE_SECRETS, before, limit)

    async def remove_idempotency_keys(self, before: datetime, limit: int) -> int:
        return await self._remove(_REMOVE_KEYS, before, limit)

    async def remove_invitations(self, before: datetime, limit: int) -> int:
        return await self._remove(_REMOVE_INVITATIONS, before, limit)

    async def remove_service_tokens(self, before: datetime, limit: int) -> int:
        return await self._remove(_REMOVE_SERVICE_TOKENS, before, limit)

    async def _remove(self, removal: Statement, before: datetime, limit: int) -> int:
        return len(await self.connection.rows(removal, {"before": before, "most": limit}))
