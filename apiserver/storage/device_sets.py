"""Statements about many devices at once: all that a registration token enrolled, all of an owner."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update

from apiserver.devices.device import DeviceState
from apiserver.storage.engine import Connection, row_of
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
    """The statements about the live devices of one kind of set."""

    count: Statement
    count_awake: Statement
    suspend: Statement
    free_addresses: Statement
    revoke_tokens: Statement
    revoke: Statement


def _set_of(belongs: ColumnElement[bool]) -> _Set:
    of_set = and_(belongs, _IS_LIVE)
    count = select(func.count().label("count")).select_from(devices).where(of_set)
    return _Set(
        count=statement(count),
        count_awake=statement(count.where(_IS_AWAKE)),
        suspend=statement(
            update(devices)
            .where(of_set, _IS_AWAKE)
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
                of_set, _DEVICES.ipv4.is_not(None)
            ),
        ),
        revoke_tokens=statement(
            update(device_tokens)
            .where(_TOKENS.device_id.in_(select(_DEVICES.id).where(of_set)), _TOKENS.revoked_at.is_(None))
            .values(revoked_at=bindparam("now"))
        ),
        revoke=statement(
            update(devices)
            .where(of_set)
            .values(
                state=DeviceState.REVOKED.value,
                state_reason=bindparam("reason"),
                ended_at=bindparam("now"),
                version=_DEVICES.version + 1,
            )
            .returning(_DEVICES.id)
        ),
    )


_OF_REGISTRATION_TOKEN = _set_of(_DEVICES.registration_token_id == bindparam("token"))
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

    async def suspend(self, reason: str) -> int:
        return len(await self.connection.rows(self.statements.suspend, {**self.values, "reason": reason}))

    async def revoke(self, reason: str, now: datetime) -> int:
        timed = {**self.values, "now": now}
        await self.connection.rows(self.statements.free_addresses, self.values)
        await self.connection.rows(self.statements.revoke_tokens, timed)
        return len(await self.connection.rows(self.statements.revoke, {**timed, "reason": reason}))

    async def _counted(self, count: Statement) -> int:
        row = await row_of(self.connection, count, self.values)
        return int(row.count) if row is not None else 0


@dataclass(frozen=True, slots=True)
class SqlDeviceSets:
    """`contracts.DeviceSets`."""

    connection: Connection

    def of_registration_token(self, token_id: RegistrationTokenId) -> SqlDeviceSet:
        return SqlDeviceSet(self.connection, _OF_REGISTRATION_TOKEN, {"token": token_id})

    def of_owner(self, tenant_id: TenantId, owner_id: UserId) -> SqlDeviceSet:
        return SqlDeviceSet(self.connection, _OF_OWNER, {"tenant": tenant_id, "owner": owner_id})

    def of_tenant(self, tenant_id: TenantId) -> SqlDeviceSet:
        return SqlDeviceSet(self.connection, _OF_TENANT, {"tenant": tenant_id})
