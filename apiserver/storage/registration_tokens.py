"""Statements about registration tokens and their secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from sqlalchemy import bindparam, or_, select, update

from apiserver.storage.engine import Connection, row_of
from apiserver.storage.records import RegistrationTokenPage, StoredSecret
from apiserver.storage.statement import Row, Statement, insert_into, statement
from apiserver.storage.tables import registration_token_secrets, registration_tokens
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationToken, RegistrationTokenId

_TOKENS, _SECRETS = registration_tokens.c, registration_token_secrets.c
_ADD = insert_into(registration_tokens)
_BY_ID_OF = select(registration_tokens).where(_TOKENS.id == bindparam("token"))
_BY_ID = statement(_BY_ID_OF)
_LOCK = statement(_BY_ID_OF.with_for_update())
_SPEND = statement(
    update(registration_tokens)
    .where(
        _TOKENS.id == bindparam("token"),
        _TOKENS.revoked_at.is_(None),
        _TOKENS.suspended_at.is_(None),
        or_(_TOKENS.max_uses.is_(None), _TOKENS.uses < _TOKENS.max_uses),
    )
    .values(uses=_TOKENS.uses + 1, last_used_at=bindparam("now"), next_allowed_at=bindparam("next_allowed"))
    .returning(_TOKENS.uses)
)
_PACE = statement(
    update(registration_tokens)
    .where(_TOKENS.id == bindparam("token"))
    .values(next_allowed_at=bindparam("next_allowed"))
)
_UPDATE = statement(
    update(registration_tokens)
    .where(_TOKENS.id == bindparam("token"), _TOKENS.version == bindparam("former_version"))
    .values(
        {
            name: bindparam(f"new_{name}", type_=_TOKENS[name].type)
            for name in (
                "owner_id",
                "label",
                "description",
                "max_uses",
                "expires_at",
                "pre_approved",
                "suspended_at",
                "revoked_at",
                "version",
            )
        }
    )
    .returning(_TOKENS.id)
)
_SUSPEND_OF_OWNER_OF = (
    update(registration_tokens)
    .where(
        _TOKENS.owner_id == bindparam("owner"),
        _TOKENS.tenant_id == bindparam("tenant"),
        _TOKENS.suspended_at.is_(None),
        _TOKENS.revoked_at.is_(None),
    )
    .values(suspended_at=bindparam("now"), version=_TOKENS.version + 1)
)
_SUSPEND_OF_OWNER = statement(_SUSPEND_OF_OWNER_OF.returning(_TOKENS.id))
_SUSPEND_VOUCHING = statement(
    _SUSPEND_OF_OWNER_OF.where(or_(_TOKENS.pre_approved, _TOKENS.taints != bindparam("none"))).returning(
        _TOKENS.id
    )
)
_REVOKE_OF_TENANT = statement(
    update(registration_tokens)
    .where(_TOKENS.tenant_id == bindparam("tenant"), _TOKENS.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"), version=_TOKENS.version + 1)
    .returning(_TOKENS.id)
)
_ADD_SECRET = insert_into(registration_token_secrets)
_BY_SECRET = statement(
    select(
        registration_tokens,
        _SECRETS.id.label("secret_id"),
        _SECRETS.secret_hash,
        _SECRETS.first_used_at.label("secret_first_used_at"),
        _SECRETS.revoked_at.label("secret_revoked_at"),
        _SECRETS.created_at.label("secret_created_at"),
    )
    .join(registration_tokens, _TOKENS.id == _SECRETS.registration_token_id)
    .where(_SECRETS.id == bindparam("secret"))
)
_SECRETS_OF = statement(
    select(registration_token_secrets)
    .where(_SECRETS.registration_token_id == bindparam("token"), _SECRETS.revoked_at.is_(None))
    .order_by(_SECRETS.created_at, _SECRETS.id)
)
_USE_SECRET = statement(
    update(registration_token_secrets)
    .where(
        _SECRETS.id == bindparam("secret"), _SECRETS.first_used_at.is_(None), _SECRETS.revoked_at.is_(None)
    )
    .values(first_used_at=bindparam("now"))
    .returning(_SECRETS.id)
)
_REVOKE_OLDER = statement(
    update(registration_token_secrets)
    .where(
        _SECRETS.registration_token_id == bindparam("token"),
        _SECRETS.id != bindparam("secret"),
        # What is in use is what is replaced, even if it was made by a server whose clock is ahead.
        or_(_SECRETS.created_at <= bindparam("made"), _SECRETS.first_used_at.is_not(None)),
        _SECRETS.revoked_at.is_(None),
    )
    .values(revoked_at=bindparam("now"))
    .returning(_SECRETS.id)
)
_REVOKE_SECRET = statement(
    update(registration_token_secrets)
    .where(_SECRETS.id == bindparam("secret"), _SECRETS.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class SqlRegistrationTokens:
    """`contracts.RegistrationTokenRepository`."""

    connection: Connection

    async def add(self, token: RegistrationToken) -> None:
        await self.connection.rows(_ADD, _values_of(token))

    async def by_id(self, token_id: RegistrationTokenId) -> RegistrationToken | None:
        row = await row_of(self.connection, _BY_ID, {"token": token_id})
        return None if row is None else _as_token(row)

    async def locked(self, token_id: RegistrationTokenId) -> RegistrationToken | None:
        row = await row_of(self.connection, _LOCK, {"token": token_id})
        return None if row is None else _as_token(row)

    async def spend(
        self, token_id: RegistrationTokenId, now: datetime, next_allowed_at: datetime | None
    ) -> int | None:
        row = await row_of(
            self.connection, _SPEND, {"token": token_id, "now": now, "next_allowed": next_allowed_at}
        )
        return None if row is None else int(row.uses)

    async def pace(self, token_id: RegistrationTokenId, next_allowed_at: datetime) -> None:
        await self.connection.rows(_PACE, {"token": token_id, "next_allowed": next_allowed_at})

    async def update(self, token: RegistrationToken, *, former_version: int) -> bool:
        values = {f"new_{name}": value for name, value in _values_of(token).items()}
        row = await row_of(
            self.connection, _UPDATE, {**values, "token": token.id, "former_version": former_version}
        )
        return row is not None

    async def suspend_of_owner(self, tenant_id: TenantId, owner_id: UserId, now: datetime) -> int:
        rows = await self.connection.rows(
            _SUSPEND_OF_OWNER, {"tenant": tenant_id, "owner": owner_id, "now": now}
        )
        return len(rows)

    async def suspend_vouching_of_owner(self, tenant_id: TenantId, owner_id: UserId, now: datetime) -> int:
        values = {"tenant": tenant_id, "owner": owner_id, "now": now, "none": []}
        return len(await self.connection.rows(_SUSPEND_VOUCHING, values))

    async def revoke_of_tenant(self, tenant_id: TenantId, now: datetime) -> int:
        return len(await self.connection.rows(_REVOKE_OF_TENANT, {"tenant": tenant_id, "now": now}))

    async def page(self, page: RegistrationTokenPage) -> Sequence[RegistrationToken]:
        given: dict[str, Any] = {"owner": page.owner_id, "after": page.after}
        values = {name: value for name, value in given.items() if value is not None}
        rows = await self.connection.rows(
            _page(frozenset(values), is_newest_first=page.is_newest_first),
            {"tenant": page.tenant_id, "most": page.limit, **values},
        )
        return [_as_token(row) for row in rows]

    async def add_secret(self, token_id: RegistrationTokenId, secret: StoredSecret) -> None:
        await self.connection.rows(
            _ADD_SECRET,
            {
                "id": secret.id,
                "registration_token_id": token_id,
                "secret_hash": secret.hash,
                "created_at": secret.created_at,
                "first_used_at": secret.first_used_at,
                "revoked_at": secret.revoked_at,
            },
        )

    async def by_secret(self, secret_id: str) -> tuple[RegistrationToken, StoredSecret] | None:
        row = await row_of(self.connection, _BY_SECRET, {"secret": secret_id})
        if row is None:
            return None
        return _as_token(row), StoredSecret(
            id=row.secret_id,
            hash=row.secret_hash,
            created_at=row.secret_created_at,
            first_used_at=row.secret_first_used_at,
            revoked_at=row.secret_revoked_at,
        )

    async def secrets_of(self, token_id: RegistrationTokenId) -> Sequence[StoredSecret]:
        rows = await self.connection.rows(_SECRETS_OF, {"token": token_id})
        return [
            StoredSecret(row.id, row.secret_hash, row.created_at, row.first_used_at, row.revoked_at)
            for row in rows
        ]

    async def use_secret(self, token_id: RegistrationTokenId, secret: StoredSecret, now: datetime) -> bool:
        used = await row_of(self.connection, _USE_SECRET, {"secret": secret.id, "now": now})
        if used is not None:
            await self.connection.rows(
                _REVOKE_OLDER,
                {"token": token_id, "secret": secret.id, "made": secret.created_at, "now": now},
            )
        return used is not None

    async def revoke_secret(self, secret_id: str, now: datetime) -> None:
        await self.connection.rows(_REVOKE_SECRET, {"secret": secret_id, "now": now})


@lru_cache
def _page(given: frozenset[str], *, is_newest_first: bool) -> Statement:
    conditions = {
        "owner": _TOKENS.owner_id == bindparam("owner"),
        "after": _TOKENS.id < bindparam("after") if is_newest_first else _TOKENS.id > bindparam("after"),
    }
    return statement(
        select(registration_tokens)
        .where(_TOKENS.tenant_id == bindparam("tenant"), *(conditions[name] for name in sorted(given)))
        .order_by(_TOKENS.id.desc() if is_newest_first else _TOKENS.id)
        .limit(bindparam("most"))
    )


def _values_of(token: RegistrationToken) -> dict[str, Any]:
    values = {column.name: getattr(token, column.name) for column in _TOKENS}
    return {
        **values,
        "taints": list(token.taints),
        "labels": dict(token.labels),
        "source_networks": [str(network) for network in token.source_networks],
    }


def _as_token(row: Row) -> RegistrationToken:
    return RegistrationToken(
        id=RegistrationTokenId(row.id),
        tenant_id=TenantId(row.tenant_id),
        owner_id=UserId(row.owner_id),
        label=row.label,
        description=row.description,
        max_uses=row.max_uses,
        uses=row.uses,
        expires_at=row.expires_at,
        not_before=row.not_before,
        idle_s=row.idle_s,
        last_used_at=row.last_used_at,
        taints=tuple(row.taints),
        labels=row.labels,
        name_pattern=row.name_pattern,
        source_networks=tuple(ip_network(network) for network in row.source_networks),
        pre_approved=row.pre_approved,
        ephemeral_s=row.ephemeral_s,
        rate_per_minute=row.rate_per_minute,
        next_allowed_at=row.next_allowed_at,
        suspended_at=row.suspended_at,
        revoked_at=row.revoked_at,
        created_at=row.created_at,
        version=row.version,
    )
