"""The tables as statements see them. They are made by the migrations alone; a test compares the two."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql

from apiserver.devices.device import DeviceState
from apiserver.tenants.tenants import DeviceApproval, Role, TenantKind


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, as UTC; SQLite, which has no times, keeps it as text that sorts as the times do."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        return _as_sqlite_text if dialect.name == "sqlite" else _as_utc

    def result_processor(
        self,
        dialect: Dialect,
        coltype: object,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> Callable[[Any], datetime | None]:
        return _from_sqlite_text if dialect.name == "sqlite" else _as_utc


def _as_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a time without a zone cannot be kept")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _as_sqlite_text(value: datetime | None) -> str | None:
    utc = _as_utc(value)
    return None if utc is None else utc.isoformat(" ", "microseconds")[:_LENGTH_WITHOUT_ZONE]


def _from_sqlite_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


class Json(TypeDecorator[Any]):
    """JSON as text: it is read and written whole, never searched."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str | None:  # noqa: ANN401 - it is JSON
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:  # noqa: ANN401 - it is JSON
        return None if value is None else msgspec.json.decode(value)


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=column)


_LENGTH_WITHOUT_ZONE = len("2030-01-02 03:04:05.678901")

# Ids and keys of names are compared byte by byte, whatever the locale of a PostgreSQL database: their order
# is that of lists, and that of the time for ids.
_BYTEWISE = String().with_variant(postgresql.VARCHAR(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "ix": "%(table_name)s_%(column_0_N_name)s_index",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("issuer", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("name", String),
    Column("email", String),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("issuer", "subject"),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("personal_of", ForeignKey("users.id"), unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("device_approval", String, nullable=False, server_default=DeviceApproval.AUTOMATIC.value),
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("deleted_at", UtcDateTime),
    _one_of("kind", TenantKind),
)

members = Table(
    "members",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("role", String, nullable=False),
    Column("joined_at", UtcDateTime, nullable=False),
    _one_of("role", Role),
    Index(None, "user_id"),
)

# Of tables that are found by their primary key alone, SQLite keeps the rows in its order (`WITHOUT ROWID`):
# an insert writes one tree less.

barred_members = Table(
    "barred_members",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("role", String, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_by", ForeignKey("users.id"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("accepted_by", ForeignKey("users.id")),
    Column("accepted_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    _one_of("role", Role),
    Index(None, "tenant_id", "id"),
)

registration_tokens = Table(
    "registration_tokens",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("owner_id", ForeignKey("users.id"), nullable=False),
    Column("label", String, nullable=False),
    Column("description", String, nullable=False),
    Column("max_uses", BigInteger),
    Column("uses", BigInteger, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("not_before", UtcDateTime),
    Column("idle_s", BigInteger),
    Column("last_used_at", UtcDateTime),
    Column("taints", Json, nullable=False),
    Column("labels", Json, nullable=False),
    Column("name_pattern", String),
    Column("source_networks", Json, nullable=False),
    Column("pre_approved", Boolean, nullable=False),
    Column("ephemeral_s", BigInteger),
    Column("rate_per_minute", BigInteger),
    Column("next_allowed_at", UtcDateTime),
    Column("suspended_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", BigInteger, nullable=False),
    # What is counted by guarded updates is bounded here as well.
    CheckConstraint("uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)", name="uses"),
    Index(None, "tenant_id", "id"),
    Index(None, "owner_id", "tenant_id"),
)


def _of_revoked(table: str) -> Index:
    """For the janitor: which were revoked long ago."""
    condition = text("revoked_at IS NOT NULL")
    return Index(f"{table}_revoked_index", "revoked_at", sqlite_where=condition, postgresql_where=condition)


registration_token_secrets = Table(
    "registration_token_secrets",
    metadata,
    Column("id", String, primary_key=True),
    Column("registration_token_id", ForeignKey("registration_tokens.id"), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("first_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index(None, "registration_token_id"),
    _of_revoked("registration_token_secrets"),
    sqlite_with_rowid=False,
)


def _unique_where(name: str, condition: str, *columns: str) -> Index:
    """A unique index over some rows. The others cost an insert nothing."""
    where = text(condition)
    return Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where)


_IS_LIVE = "ended_at IS NULL"


def _unique_among_live(column: str, *, is_optional: bool) -> Index:
    """So that what a device had is free when it has ended.

    Of a column that is never null the condition says nothing: SQLite would not find by the index any more.
    """
    condition = f"{_IS_LIVE} AND {column} IS NOT NULL" if is_optional else _IS_LIVE
    return _unique_where(f"devices_live_{column}_key", condition, "tenant_id", column)


devices = Table(
    "devices",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("owner_id", ForeignKey("users.id"), nullable=False),
    Column("registration_token_id", ForeignKey("registration_tokens.id")),
    Column("name", String, nullable=False),
    Column("name_key", _BYTEWISE, nullable=False),
    Column("state", String, nullable=False),
    Column("state_reason", String),
    Column("public_key", String),
    Column("fingerprint", String),
    Column("ipv4", String),
    Column("ipv6", String),
    Column("taints", Json, nullable=False),
    Column("labels", Json, nullable=False),
    Column("ephemeral_s", BigInteger),
    Column("evidence", Json),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("approved_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("last_seen_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("version", BigInteger, nullable=False),
    _one_of("state", DeviceState),
    _unique_where("devices_public_key_key", "public_key IS NOT NULL", "public_key"),
    # A tenant whose devices come and go has far more that have ended.
    Index(
        "devices_live_index",
        "tenant_id",
        "id",
        sqlite_where=text(_IS_LIVE),
        postgresql_where=text(_IS_LIVE),
    ),
    _unique_among_live("name_key", is_optional=False),
    _unique_among_live("ipv4", is_optional=True),
    _unique_among_live("ipv6", is_optional=True),
    Index(
        None,
        "tenant_id",
        "fingerprint",
        "id",
        sqlite_where=text("fingerprint IS NOT NULL"),
        postgresql_where=text("fingerprint IS NOT NULL"),
    ),
    Index(None, "registration_token_id", "tenant_id", "id"),
    Index(
        "devices_live_of_owner_index",
        "owner_id",
        "tenant_id",
        "id",
        sqlite_where=text(_IS_LIVE),
        postgresql_where=text(_IS_LIVE),
    ),
    # Those that somebody must look at, and those that leave by themselves: few, whatever the tenant's size.
    Index(
        "devices_waiting_index",
        "tenant_id",
        "state",
        "id",
        sqlite_where=text("state <> 'active'"),
        postgresql_where=text("state <> 'active'"),
    ),
    Index(
        "devices_ephemeral_index",
        "ephemeral_s",
        "last_seen_at",
        sqlite_where=text("ephemeral_s IS NOT NULL AND ended_at IS NULL"),
        postgresql_where=text("ephemeral_s IS NOT NULL AND ended_at IS NULL"),
    ),
    Index(
        "devices_expiring_index",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL AND ended_at IS NULL"),
        postgresql_where=text("expires_at IS NOT NULL AND ended_at IS NULL"),
    ),
    Index(
        "devices_ended_index",
        "ended_at",
        sqlite_where=text("ended_at IS NOT NULL"),
        postgresql_where=text("ended_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

device_tokens = Table(
    "device_tokens",
    metadata,
    Column("id", String, primary_key=True),
    Column("device_id", ForeignKey("devices.id"), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("first_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index(None, "device_id"),
    _of_revoked("device_tokens"),
    sqlite_with_rowid=False,
)

address_pools = Table(
    "address_pools",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("ipv4_network", String, nullable=False),
    Column("ipv6_network", String, nullable=False),
    Column("next_host", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

freed_addresses = Table(
    "freed_addresses",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("ipv4", String, primary_key=True),
    Column("ipv6", String, nullable=False),
    sqlite_with_rowid=False,
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    Column("id", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor_kind", String, nullable=False),
    Column("actor_id", String, nullable=False),
    Column("action", String, nullable=False),
    Column("target_kind", String, nullable=False),
    Column("target_id", String, nullable=False),
    Column("address", String),
    Column("request_id", String),
    Column("before", String),
    Column("after", String),
    Column("key_id", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "seq"),
    Index(None, "tenant_id", "target_id", "seq"),
    sqlite_with_rowid=False,
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("resource_id", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "created_at"),
    sqlite_with_rowid=False,
)

service_tokens = Table(
    "service_tokens",
    metadata,
    Column("id", _BYTEWISE, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("owner_id", ForeignKey("users.id"), nullable=False),
    Column("label", String, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index(None, "tenant_id", "id"),
    Index(None, "owner_id"),
    sqlite_with_rowid=False,
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("algorithm", String, nullable=False),
    Column("sealed_private_key", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("signs_from", UtcDateTime, nullable=False),
    Column("withdrawn_at", UtcDateTime),
    sqlite_with_rowid=False,
)
