"""Statements about service tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, bindparam, or_, select, update

from apiserver.auth.scopes import Scope
from apiserver.storage.engine import Connection, row_of
from apiserver.storage.records import ServiceTokenPage
from apiserver.storage.statement import Row, Statement, insert_into, statement
from apiserver.storage.tables import service_tokens
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.service_token import ServiceToken, ServiceTokenId

_TOKENS = service_tokens.c
_IS_THIS = _TOKENS.id == bindparam("token")
_IS_NOT_REVOKED = _TOKENS.revoked_at.is_(None)
_ADD = insert_into(service_tokens)
_BY_ID = statement(select(service_tokens).where(_IS_THIS))
_USE_FIRST = statement(
    update(service_tokens)
    .where(_IS_THIS, _TOKENS.secret_hash == bindparam("presented_hash"), _IS_NOT_REVOKED)
    .values(last_used_at=bindparam("now"))
    .returning(_TOKENS.id)
)
_USED = statement(
    update(service_tokens)
    .where(_IS_THIS, or_(_TOKENS.last_used_at.is_(None), _TOKENS.last_used_at < bindparam("at")))
    .values(last_used_at=bindparam("at"))
)
_REPLACE_SECRET = statement(
    update(service_tokens)
    .where(_IS_THIS, _TOKENS.last_used_at.is_(None), _IS_NOT_REVOKED)
    .values(secret_hash=bindparam("new_hash"))
    .returning(_TOKENS.id)
)
_REVOKE_ALL = (
    update(service_tokens)
    .where(_TOKENS.tenant_id == bindparam("tenant"), _IS_NOT_REVOKED)
    .values(revoked_at=bindparam("now"))
    .returning(_TOKENS.id)
)
_REVOKE = statement(
    update(service_tokens)
    .where(_IS_THIS, _IS_NOT_REVOKED)
    .values(revoked_at=bindparam("now"))
    .returning(_TOKENS.id)
)
_REVOKE_OF_TENANT = statement(_REVOKE_ALL)
_REVOKE_OF_OWNER = statement(_REVOKE_ALL.where(_TOKENS.owner_id == bindparam("owner")))


@dataclass(frozen=True, slots=True)
class SqlServiceTokens:
    """`contracts.ServiceTokenRepository`."""

    connection: Connection

    async def add(self, token: ServiceToken) -> None:
        await self.connection.rows(
            _ADD,
            {
                "id": token.id,
                "tenant_id": token.tenant_id,
                "owner_id": token.owner_id,
                "label": token.label,
                "scopes": sorted(token.scopes),
                "secret_hash": token.secret_hash,
                "created_at": token.created_at,
                "expires_at": token.expires_at,
                "last_used_at": token.last_used_at,
                "revoked_at": token.revoked_at,
            },
        )

    async def by_id(self, token_id: ServiceTokenId) -> ServiceToken | None:
        row = await row_of(self.connection, _BY_ID, {"token": token_id})
        return None if row is None else _as_token(row)

    async def page(self, page: ServiceTokenPage) -> Sequence[ServiceToken]:
        values: dict[str, Any] = {} if page.after is None else {"after": page.after}
        rows = await self.connection.rows(
            _page(has_after=page.after is not None, is_newest_first=page.is_newest_first),
            {"tenant": page.tenant_id, "most": page.limit, **values},
        )
        return [_as_token(row) for row in rows]

    async def use_first(self, token_id: ServiceTokenId, secret_hash: bytes, now: datetime) -> bool:
        values = {"token": token_id, "presented_hash": secret_hash, "now": now}
        return await row_of(self.connection, _USE_FIRST, values) is not None

    async def used(self, token_id: ServiceTokenId, at: datetime) -> None:
        await self.connection.rows(_USED, {"token": token_id, "at": at})

    async def replace_secret(self, token_id: ServiceTokenId, secret_hash: bytes) -> bool:
        values = {"token": token_id, "new_hash": secret_hash}
        return await row_of(self.connection, _REPLACE_SECRET, values) is not None

    async def revoke(self, token_id: ServiceTokenId, now: datetime) -> bool:
        return await row_of(self.connection, _REVOKE, {"token": token_id, "now": now}) is not None

    async def revoke_of_tenant(self, tenant_id: TenantId, now: datetime) -> int:
        return len(await self.connection.rows(_REVOKE_OF_TENANT, {"tenant": tenant_id, "now": now}))

    async def revoke_of_owner(self, tenant_id: TenantId, owner_id: UserId, now: datetime) -> int:
        values = {"tenant": tenant_id, "owner": owner_id, "now": now}
        return len(await self.connection.rows(_REVOKE_OF_OWNER, values))


@lru_cache
def _page(*, has_after: bool, is_newest_first: bool) -> Statement:
    order = _TOKENS.id.desc() if is_newest_first else _TOKENS.id
    found = select(service_tokens).where(_TOKENS.tenant_id == bindparam("tenant"))
    if has_after:
        after: BindParameter[str] = bindparam("after")
        found = found.where(_TOKENS.id < after if is_newest_first else _TOKENS.id > after)
    return statement(found.order_by(order).limit(bindparam("most")))


def _as_token(row: Row) -> ServiceToken:
    return ServiceToken(
        id=ServiceTokenId(row.id),
        tenant_id=TenantId(row.tenant_id),
        owner_id=UserId(row.owner_id),
        label=row.label,
        # One that a newer server knows gives nothing here.
        scopes=frozenset(scope for scope in Scope if scope.value in row.scopes),
        secret_hash=row.secret_hash,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
