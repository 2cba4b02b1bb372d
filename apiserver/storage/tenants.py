"""Statements about tenants and their members."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import BindParameter, bindparam, delete, func, select, update

from apiserver.storage.engine import Connection, row_of
from apiserver.storage.records import MemberPage, MembershipPage
from apiserver.storage.statement import Row, Statement, insert_into, insert_unless_there, statement
from apiserver.storage.tables import barred_members, members, tenants, users
from apiserver.tenants.tenants import DeviceApproval, Member, Membership, Role, Tenant, TenantId, TenantKind
from apiserver.tenants.users import Profile, UserId

_TENANTS, _MEMBERS, _BARRED = tenants.c, members.c, barred_members.c
_ADD = insert_into(tenants)
_BY_ID_OF = select(tenants).where(_TENANTS.id == bindparam("tenant"), _TENANTS.deleted_at.is_(None))
_BY_ID = statement(_BY_ID_OF)
# FOR NO KEY UPDATE: it holds off whoever else locks it and whoever acts as a member of it (`_HOLD`), not
# the foreign keys of all that is added to the tenant.
_LOCK = statement(_BY_ID_OF.with_for_update(key_share=True))
_UPDATE = statement(
    update(tenants)
    .where(_TENANTS.id == bindparam("tenant"))
    .values(
        {
            name: bindparam(f"new_{name}", type_=_TENANTS[name].type)
            for name in ("name", "kind", "device_approval", "version")
        }
    )
)
_DELETE = statement(
    update(tenants).where(_TENANTS.id == bindparam("tenant")).values(deleted_at=bindparam("now"))
)
_IS_MEMBER = (_MEMBERS.tenant_id == bindparam("tenant")) & (_MEMBERS.user_id == bindparam("user"))
_ADD_MEMBER = insert_unless_there(members, by=("tenant_id", "user_id"))
_SET_ROLE = statement(update(members).where(_IS_MEMBER).values(role=bindparam("new_role")))
_REMOVE_MEMBER = statement(delete(members).where(_IS_MEMBER))
_IS_BARRED_ONE = (_BARRED.tenant_id == bindparam("tenant")) & (_BARRED.user_id == bindparam("user"))
_BAR = insert_unless_there(barred_members, by=("tenant_id", "user_id"))
_UNBAR = statement(delete(barred_members).where(_IS_BARRED_ONE))
_IS_BARRED = statement(select(_BARRED.since).where(_IS_BARRED_ONE))
_ALL_MEMBERS = select(_MEMBERS.user_id, _MEMBERS.role, _MEMBERS.joined_at, users.c.name, users.c.email).join(
    users, users.c.id == _MEMBERS.user_id
)
_MEMBER = statement(_ALL_MEMBERS.where(_IS_MEMBER))
_COUNT_OWNERS = statement(
    select(func.count().label("count"))
    .select_from(members)
    .where(_MEMBERS.tenant_id == bindparam("tenant"), _MEMBERS.role == Role.OWNER.value)
)
_ALL_MEMBERSHIPS = (
    select(tenants, _MEMBERS.role)
    .join(members, _MEMBERS.tenant_id == _TENANTS.id)
    .where(_MEMBERS.user_id == bindparam("user"), _TENANTS.deleted_at.is_(None))
)
_MEMBERSHIP_OF = _ALL_MEMBERSHIPS.where(_TENANTS.id == bindparam("tenant"))
_MEMBERSHIP = statement(_MEMBERSHIP_OF)
_HOLD = statement(_MEMBERSHIP_OF.with_for_update(read=True))
_PERSONAL = statement(select(_TENANTS.id).where(_TENANTS.personal_of == bindparam("user")))
_MEMBERSHIPS = statement(
    _ALL_MEMBERSHIPS.order_by(
        _TENANTS.personal_of.is_not_distinct_from(bindparam("user")).desc(), _MEMBERS.joined_at, _TENANTS.id
    )
)


@dataclass(frozen=True, slots=True)
class SqlTenants:
    """`tenant_contracts.TenantRepository`. A view cannot lock, and need not: nothing changes in it."""

    connection: Connection
    is_view: bool

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

    async def by_id(self, tenant_id: TenantId) -> Tenant | None:
        row = await row_of(self.connection, _BY_ID, {"tenant": tenant_id})
        return None if row is None else _as_tenant(row)

    async def locked(self, tenant_id: TenantId) -> Tenant | None:
        row = await row_of(self.connection, _LOCK, {"tenant": tenant_id})
        return None if row is None else _as_tenant(row)

    async def update(self, tenant: Tenant) -> None:
        await self.connection.rows(
            _UPDATE,
            {
                "tenant": tenant.id,
                "new_name": tenant.name,
                "new_kind": tenant.kind.value,
                "new_device_approval": tenant.device_approval.value,
                "new_version": tenant.version,
            },
        )

    async def delete(self, tenant_id: TenantId, now: datetime) -> None:
        await self.connection.rows(_DELETE, {"tenant": tenant_id, "now": now})

    async def add_member(
        self, tenant_id: TenantId, user_id: UserId, role: Role, *, joined_at: datetime
    ) -> bool:
        row = await row_of(
            self.connection,
            _ADD_MEMBER,
            {"tenant_id": tenant_id, "user_id": user_id, "role": role.value, "joined_at": joined_at},
        )
        return row is not None

    async def set_role(self, tenant_id: TenantId, user_id: UserId, role: Role) -> None:
        await self.connection.rows(_SET_ROLE, {"tenant": tenant_id, "user": user_id, "new_role": role.value})

    async def remove_member(self, tenant_id: TenantId, user_id: UserId) -> None:
        await self.connection.rows(_REMOVE_MEMBER, {"tenant": tenant_id, "user": user_id})

    async def bar(self, tenant_id: TenantId, user_id: UserId, since: datetime) -> None:
        await self.connection.rows(_BAR, {"tenant_id": tenant_id, "user_id": user_id, "since": since})

    async def unbar(self, tenant_id: TenantId, user_id: UserId) -> None:
        await self.connection.rows(_UNBAR, {"tenant": tenant_id, "user": user_id})

    async def is_barred(self, tenant_id: TenantId, user_id: UserId) -> bool:
        row = await row_of(self.connection, _IS_BARRED, {"tenant": tenant_id, "user": user_id})
        return row is not None

    async def member(self, tenant_id: TenantId, user_id: UserId) -> Member | None:
        row = await row_of(self.connection, _MEMBER, {"tenant": tenant_id, "user": user_id})
        return None if row is None else _as_member(row)

    async def members(self, page: MemberPage) -> Sequence[Member]:
        given = {"of_role": page.role, "after": page.after}
        values = {name: value for name, value in given.items() if value is not None}
        rows = await self.connection.rows(
            _members(frozenset(values)), {"tenant": page.tenant_id, "most": page.limit, **values}
        )
        return [_as_member(row) for row in rows]

    async def count_owners(self, tenant_id: TenantId) -> int:
        row = await row_of(self.connection, _COUNT_OWNERS, {"tenant": tenant_id})
        return int(row.count) if row is not None else 0

    async def membership(self, tenant_id: TenantId, user_id: UserId) -> Membership | None:
        row = await row_of(
            self.connection,
            _MEMBERSHIP if self.is_view else _HOLD,
            {"tenant": tenant_id, "user": user_id},
        )
        return None if row is None else _as_membership(row)

    async def memberships(self, page: MembershipPage) -> Sequence[Membership]:
        values = {} if page.after is None else {"after": page.after}
        rows = await self.connection.rows(
            _memberships(has_after=page.after is not None, is_newest_first=page.is_newest_first),
            {"user": page.user_id, "most": page.limit, **values},
        )
        return [_as_membership(row) for row in rows]

    async def personal_of(self, user_id: UserId) -> TenantId:
        row = await row_of(self.connection, _PERSONAL, {"user": user_id})
        if row is None:
            raise LookupError("there is no such user")
        return TenantId(row.id)

    async def memberships_of(self, user_id: UserId) -> Sequence[Membership]:
        rows = await self.connection.rows(_MEMBERSHIPS, {"user": user_id})
        return [_as_membership(row) for row in rows]


@lru_cache
def _members(given: frozenset[str]) -> Statement:
    conditions = {
        "of_role": _MEMBERS.role == bindparam("of_role"),
        "after": _MEMBERS.user_id > bindparam("after"),
    }
    return statement(
        _ALL_MEMBERS.where(
            _MEMBERS.tenant_id == bindparam("tenant"), *(conditions[name] for name in sorted(given))
        )
        .order_by(_MEMBERS.user_id)
        .limit(bindparam("most"))
    )


@lru_cache
def _memberships(*, has_after: bool, is_newest_first: bool) -> Statement:
    found = _ALL_MEMBERSHIPS
    if has_after:
        after: BindParameter[str] = bindparam("after")
        found = found.where(_TENANTS.id < after if is_newest_first else _TENANTS.id > after)
    return statement(
        found.order_by(_TENANTS.id.desc() if is_newest_first else _TENANTS.id).limit(bindparam("most"))
    )


def _as_member(row: Row) -> Member:
    return Member(UserId(row.user_id), Profile(row.name, row.email), Role(row.role), row.joined_at)


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
