"""Statements about invitations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, bindparam, select, update

from apiserver.storage.engine import Connection, row_of
from apiserver.storage.records import InvitationPage
from apiserver.storage.statement import Row, Statement, insert_into, statement
from apiserver.storage.tables import invitations
from apiserver.tenants.invitation import Invitation, InvitationId
from apiserver.tenants.tenants import Role, TenantId
from apiserver.tenants.users import UserId

_INVITATIONS = invitations.c
_IS_UNUSED = _INVITATIONS.accepted_at.is_(None) & _INVITATIONS.revoked_at.is_(None)
_IS_THIS = _INVITATIONS.id == bindparam("invitation")
_ADD = insert_into(invitations)
_BY_ID = statement(select(invitations).where(_IS_THIS))
_ACCEPT = statement(
    update(invitations)
    .where(_IS_THIS, _IS_UNUSED, _INVITATIONS.expires_at > bindparam("now"))
    .values(accepted_by=bindparam("user_id"), accepted_at=bindparam("now"))
    .returning(_INVITATIONS.id)
)
_REVOKE = statement(
    update(invitations)
    .where(_IS_THIS, _IS_UNUSED)
    .values(revoked_at=bindparam("now"))
    .returning(_INVITATIONS.id)
)
_REVOKE_MADE_BY = statement(
    update(invitations)
    .where(
        _INVITATIONS.tenant_id == bindparam("tenant"),
        _INVITATIONS.created_by == bindparam("user_id"),
        _INVITATIONS.role == bindparam("of_role"),
        _INVITATIONS.expires_at > bindparam("now"),
        _IS_UNUSED,
    )
    .values(revoked_at=bindparam("now"))
    .returning(_INVITATIONS.id)
)
_REPLACE_SECRET = statement(update(invitations).where(_IS_THIS).values(secret_hash=bindparam("new_hash")))


@dataclass(frozen=True, slots=True)
class SqlInvitations:
    """`tenant_contracts.InvitationRepository`."""

    connection: Connection

    async def add(self, invitation: Invitation) -> None:
        await self.connection.rows(
            _ADD,
            {
                "id": invitation.id,
                "tenant_id": invitation.tenant_id,
                "role": invitation.role.value,
                "secret_hash": invitation.secret_hash,
                "created_by": invitation.created_by,
                "created_at": invitation.created_at,
                "expires_at": invitation.expires_at,
                "accepted_by": invitation.accepted_by,
                "accepted_at": invitation.accepted_at,
                "revoked_at": invitation.revoked_at,
            },
        )

    async def by_id(self, invitation_id: InvitationId) -> Invitation | None:
        row = await row_of(self.connection, _BY_ID, {"invitation": invitation_id})
        return None if row is None else _as_invitation(row)

    async def page(self, page: InvitationPage) -> Sequence[Invitation]:
        values: dict[str, Any] = {} if page.after is None else {"after": page.after}
        rows = await self.connection.rows(
            _page(has_after=page.after is not None, is_newest_first=page.is_newest_first),
            {"tenant": page.tenant_id, "most": page.limit, **values},
        )
        return [_as_invitation(row) for row in rows]

    async def accept(self, invitation_id: InvitationId, user_id: UserId, now: datetime) -> bool:
        values = {"invitation": invitation_id, "user_id": user_id, "now": now}
        return await row_of(self.connection, _ACCEPT, values) is not None

    async def revoke(self, invitation_id: InvitationId, now: datetime) -> bool:
        return await row_of(self.connection, _REVOKE, {"invitation": invitation_id, "now": now}) is not None

    async def revoke_made_by(self, tenant_id: TenantId, user_id: UserId, role: Role, now: datetime) -> int:
        values = {"tenant": tenant_id, "user_id": user_id, "of_role": role.value, "now": now}
        return len(await self.connection.rows(_REVOKE_MADE_BY, values))

    async def replace_secret(self, invitation_id: InvitationId, secret_hash: bytes) -> None:
        values = {"invitation": invitation_id, "new_hash": secret_hash}
        await self.connection.rows(_REPLACE_SECRET, values)


@lru_cache
def _page(*, has_after: bool, is_newest_first: bool) -> Statement:
    order = _INVITATIONS.id.desc() if is_newest_first else _INVITATIONS.id
    found = select(invitations).where(_INVITATIONS.tenant_id == bindparam("tenant"))
    if has_after:
        after: BindParameter[str] = bindparam("after")
        found = found.where(_INVITATIONS.id < after if is_newest_first else _INVITATIONS.id > after)
    return statement(found.order_by(order).limit(bindparam("most")))


def _as_invitation(row: Row) -> Invitation:
    return Invitation(
        id=InvitationId(row.id),
        tenant_id=TenantId(row.tenant_id),
        role=Role(row.role),
        secret_hash=row.secret_hash,
        created_by=UserId(row.created_by),
        created_at=row.created_at,
        expires_at=row.expires_at,
        accepted_by=None if row.accepted_by is None else UserId(row.accepted_by),
        accepted_at=row.accepted_at,
        revoked_at=row.revoked_at,
    )
