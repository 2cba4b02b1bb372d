"""Statements about tenants and their members."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select

from apiserver.storage.engine import Connection, row_of
from apiserver.storage.statement import Row, insert_into, statement
from apiserver.storage.tables import members, tenants
from apiserver.tenants.tenants import DeviceApproval, Membership, Role, Tenant, TenantId, TenantKind
from apiserver.tenants.users import UserId

_ADD = insert_into(tenants)
_ADD_MEMBER = insert_into(members)
_BY_ID = statement(select(tenants).where(tenants.c.id == bindparam("tenant"), tenants.c.deleted_at.is_(None)))
_MEMBERSHIP = statement(
    select(tenants, members.c.role)
    .join(members, members.c.tenant_id == tenants.c.id)
    .where(
        tenants.c.id == bindparam("tenant"),
        members.c.user_id == bindparam("user_id"),
        tenants.c.deleted_at.is_(None),
    )
)
_MEMBERSHIPS = statement(
    select(tenants, members.c.role)
    .join(members, members.c.tenant_id == tenants.c.id)
    .where(members.c.user_id == bindparam("user_id"), tenants.c.deleted_at.is_(None))
    .order_by(
        tenants.c.personal_of.is_not_distinct_from(bindparam("user_id")).desc(),
        members.c.joined_at,
        tenants.c.id,
    )
)


@dataclass(frozen=True, slots=True)
class SqlTenants:
    """`contracts.TenantRepository`."""

    connection: Connection

    async def add(self, tenant: Tenant) -> None:
        await self.connection.rows(
            _ADD,
            {
                "id": tenant.id,
                "name": tenant.name,
                "kind": tenant.kind.value,
                "personal_of": tenant.personal_of,
                "created_at": tenant.created_at,
                "device_approval": tenant.device_approval.value,
                "version": tenant.version,
                "deleted_at": None,
            },
        )

    async def add_member(
        self, tenant_id: TenantId, user_id: UserId, role: Role, *, joined_at: datetime
    ) -> None:
        await self.connection.rows(
            _ADD_MEMBER,
            {"tenant_id": tenant_id, "user_id": user_id, "role": role.value, "joined_at": joined_at},
        )

    async def by_id(self, tenant_id: TenantId) -> Tenant | None:
        row = await row_of(self.connection, _BY_ID, {"tenant": tenant_id})
        return None if row is None else _as_tenant(row)

    async def membership(self, tenant_id: TenantId, user_id: UserId) -> Membership | None:
        row = await row_of(self.connection, _MEMBERSHIP, {"tenant": tenant_id, "user_id": user_id})
        return None if row is None else _as_membership(row)

    async def memberships_of(self, user_id: UserId) -> Sequence[Membership]:
        rows = await self.connection.rows(_MEMBERSHIPS, {"user_id": user_id})
        return [_as_membership(row) for row in rows]


def _as_membership(row: Row) -> Membership:
    return Membership(tenant=_as_tenant(row), role=Role(row.role))


def _as_tenant(row: Row) -> Tenant:
    return Tenant(
        id=TenantId(row.id),
        name=row.name,
        kind=TenantKind(row.kind),
        personal_of=None if row.personal_of is None else UserId(row.personal_of),
        created_at=row.created_at,
        device_approval=DeviceApproval(row.device_approval),
        version=row.version,
    )
