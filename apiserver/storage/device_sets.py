"""Statements about many devices at once: all that a registration token enrolled, all of an owner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update

from apiserver.devices.device import DeviceId, DeviceState
from apiserver.storage.engine import Connection, row_of
from apiserver.storage.records import Step
from apiserver.storage.statement import Statement, insert_from_select_unless_there, statement
from apiserver.storage.tables import device_tokens, devices, freed_addresses
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationTokenId

_DEVICES, _TOKENS = devices.c, device_tokens.c
_IS_LIVE = _DEVICES.ended_at.is_(None)
_IS_AWAKE = or_(
    *(
        _DEVICES.state == state.value
        for state in (DeviceState.PENDING, DeviceState.ACTIVE, DeviceState.QUARANTINED)
    )
)


@dataclass(frozen=True, slots=True)
class _Set:
    """The statements about the live devices of one kind of set.

    `lock` and `lock_awake` find a step, in the order of the ids, which is that in which everybody locks them.
    The others do it to what is between `after` and `last`.
    """

    count: Statement
    count_awake: Statement
    lock: Statement
    lock_awake: Statement
    suspend: Statement
    free_addresses: Statement
    revoke_tokens: Statement
    revoke: Statement


def _set_of(belongs: ColumnElement[bool]) -> _Set:
    of_set = and_(belongs, _IS_LIVE)
    of_rest = and_(of_set, _DEVICES.id > bindparam("after"))
    of_step = and_(of_rest, _DEVICES.id <= bindparam("last"))
    count = select(func.count().label("count")).select_from(devices).where(of_set)
    lock = select(_DEVICES.id).where(of_rest).order_by(_DEVICES.id).limit(bindparam("most")).with_for_update()
    return _Set(
        count=statement(count),
        count_awake=statement(count.where(_IS_AWAKE)),
        lock=statement(lock),
        lock_awake=statement(lock.where(_IS_AWAKE)),
        suspend=statement(
            update(devices)
            .where(of_step, _IS_AWAKE)
            .values(
                state=DeviceState.SUSPENDED.value,
                state_reason=bindparam("reason"),
                version=_DEVICES.version + 1,
            )
            .returning(_DEVICES.id)
        ),
        free_addresses=insert_from_select_unless_there(
            freed_addresses,
            select(_DEVICES.tenant_id, _DEVICES.ipv4, _DEVICES.ipv6).where(
                of_step, _DEVICES.ipv4.is_not(None)
            ),
        ),
        revoke_tokens=statement(
            update(device_tokens)
            .where(_TOKENS.device_id.in_(select(_DEVICES.id).where(of_step)), _TOKENS.revoked_at.is_(None))
            .values(revoked_at=bindparam("now"))
        ),
        revoke=statement(
            update(devices)
            .where(of_step)
            .values(
                state=DeviceState.REVOKED.value,
                state_reason=bindparam("reason"),
                ended_at=bindparam("now"),
                version=_DEVICES.version + 1,
            )
            .returning(_DEVICES.id)
        ),
    )


_OF_REGISTRATION_TOKEN = _set_of(
    and_(_DEVICES.registration_token_id == bindparam("token"), _DEVICES.tenant_id == bindparam("tenant"))
)
_OF_OWNER = _set_of(and_(_DEVICES.owner_id == bindparam("owner"), _DEVICES.tenant_id == bindparam("tenant")))
_OF_TENANT = _set_of(_DEVICES.tenant_id == bindparam("tenant"))


@dataclass(frozen=True, slots=True)
class SqlDeviceSet:
    """`contracts.DeviceSet`."""

    connection: Connection
    statements: _Set
    values: Mapping[str, Any]

    async def count(self) -> int:
        return await self._counted(self.statements.count)

    async def count_awake(self) -> int:
        return await self._counted(self.statements.count_awake)

    async def suspend(self, reason: str, step: Step) -> Sequence[DeviceId]:
        found = await self._locked(self.statements.lock_awake, step)
        return await self._done(self.statements.suspend, {**found, "reason": reason}) if found else []

    async def revoke(self, reason: str, now: datetime, step: Step) -> Sequence[DeviceId]:
        found = await self._locked(self.statements.lock, step)
        if not found:
            return []
        timed = {**found, "now": now}
        await self.connection.rows(self.statements.free_addresses, found)
        await self.connection.rows(self.statements.revoke_tokens, timed)
        return await self._done(self.statements.revoke, {**timed, "reason": reason})

    async def _locked(self, lock: Statement, step: Step) -> dict[str, Any]:
        """The values that say which devices the step is; none when none is left."""
        after = step.after or ""
        rows = await self.connection.rows(lock, {**self.values, "after": after, "most": step.most})
        return {**self.values, "after": after, "last": rows[-1].id} if rows else {}

    async def _done(self, to_step: Statement, values: Mapping[str, Any]) -> Sequence[DeviceId]:
        return sorted(DeviceId(row.id) for row in await self.connection.rows(to_step, values))

    async def _counted(self, count: Statement) -> int:
        row = await row_of(self.connection, count, self.values)
        return int(row.count) if row is not None else 0


@dataclass(frozen=True, slots=True)
class SqlDeviceSets:
    """`contracts.DeviceSets`."""

    connection: Connection

    def of_registration_token(self, tenant_id: TenantId, token_id: RegistrationTokenId) -> SqlDeviceSet:
        return SqlDeviceSet(self.connection, _OF_REGISTRATION_TOKEN, {"tenant": tenant_id, "token": token_id})

    def of_owner(self, tenant_id: TenantId, owner_id: UserId) -> SqlDeviceSet:
        return SqlDeviceSet(self.connection, _OF_OWNER, {"tenant": tenant_id, "owner": owner_id})

    def of_tenant(self, tenant_id: TenantId) -> SqlDeviceSet:
        return SqlDeviceSet(self.connection, _OF_TENANT, {"tenant": tenant_id})
