"""Registration tokens, devices, their addresses, invitations, audit, repeated requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

BYTEWISE = sa.String().with_variant(postgresql.VARCHAR(collation="C"), "postgresql")


def upgrade() -> None:
    _idempotency_keys()
    _barred_members()
    _address_pools()
    _audit_events()
    _audit_heads()
    _freed_addresses()
    _invitations()
    _registration_tokens()
    _devices()
    _registration_token_secrets()
    _device_tokens()
    _settings_of_tenants()


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("resource_id", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name="idempotency_keys_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("idempotency_keys_created_at_index", "idempotency_keys", ["created_at"])


def _barred_members() -> None:
    op.create_table(
        "barred_members",
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="barred_members_tenant_id_fk"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="barred_members_user_id_fk"),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name="barred_members_pk"),
        sqlite_with_rowid=False,
    )


def _address_pools() -> None:
    op.create_table(
        "address_pools",
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("ipv4_network", sa.String, nullable=False),
        sa.Column("ipv6_network", sa.String, nullable=False),
        sa.Column("next_host", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="address_pools_tenant_id_fk"),
        sa.PrimaryKeyConstraint("tenant_id", name="address_pools_pk"),
        sqlite_with_rowid=False,
    )


def _audit_events() -> None:
    op.create_table(
        "audit_events",
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String, nullable=False),
        sa.Column("actor_id", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("target_kind", sa.String, nullable=False),
        sa.Column("target_id", sa.String, nullable=False),
        sa.Column("address", sa.String),
        sa.Column("request_id", sa.String),
        sa.Column("before", sa.String),
        sa.Column("after", sa.String),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="audit_events_tenant_id_fk"),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name="audit_events_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "audit_events_tenant_id_target_id_seq_index", "audit_events", ["tenant_id", "target_id", "seq"]
    )


def _audit_heads() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="audit_heads_tenant_id_fk"),
        sa.PrimaryKeyConstraint("tenant_id", name="audit_heads_pk"),
        sqlite_with_rowid=False,
    )


def _freed_addresses() -> None:
    op.create_table(
        "freed_addresses",
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("ipv4", sa.String, nullable=False),
        sa.Column("ipv6", sa.String, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="freed_addresses_tenant_id_fk"),
        sa.PrimaryKeyConstraint("tenant_id", "ipv4", name="freed_addresses_pk"),
        sqlite_with_rowid=False,
    )


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", BYTEWISE, nullable=False),
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_by", sa.String),
        sa.Column("accepted_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("role IN ('viewer', 'member', 'admin', 'owner')", name="invitations_role_check"),
        sa.ForeignKeyConstraint(["accepted_by"], ["users.id"], name="invitations_accepted_by_fk"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="invitations_created_by_fk"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="invitations_tenant_id_fk"),
        sa.PrimaryKeyConstraint("id", name="invitations_pk"),
    )
    op.create_index("invitations_tenant_id_id_index", "invitations", ["tenant_id", "id"])


def _registration_tokens() -> None:
    op.create_table(
        "registration_tokens",
        sa.Column("id", BYTEWISE, nullable=False),
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("owner_id", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("description", sa.String, nullable=False),
        sa.Column("max_uses", sa.BigInteger),
        sa.Column("uses", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("not_before", sa.DateTime(timezone=True)),
        sa.Column("idle_s", sa.BigInteger),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("taints", sa.String, nullable=False),
        sa.Column("labels", sa.String, nullable=False),
        sa.Column("name_pattern", sa.String),
        sa.Column("source_networks", sa.String, nullable=False),
        sa.Column("pre_approved", sa.Boolean, nullable=False),
        sa.Column("ephemeral_s", sa.BigInteger),
        sa.Column("rate_per_minute", sa.BigInteger),
        sa.Column("next_allowed_at", sa.DateTime(timezone=True)),
        sa.Column("suspended_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)", name="registration_tokens_uses_check"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="registration_tokens_owner_id_fk"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="registration_tokens_tenant_id_fk"),
        sa.PrimaryKeyConstraint("id", name="registration_tokens_pk"),
    )
    op.create_index(
        "registration_tokens_owner_id_tenant_id_index", "registration_tokens", ["owner_id", "tenant_id"]
    )
    op.create_index("registration_tokens_tenant_id_id_index", "registration_tokens", ["tenant_id", "id"])


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("id", BYTEWISE, nullable=False),
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("owner_id", sa.String, nullable=False),
        sa.Column("registration_token_id", BYTEWISE),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("name_key", BYTEWISE, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("state_reason", sa.String),
        sa.Column("public_key", sa.String),
        sa.Column("fingerprint", sa.String),
        sa.Column("ipv4", sa.String),
        sa.Column("ipv6", sa.String),
        sa.Column("taints", sa.String, nullable=False),
        sa.Column("labels", sa.String, nullable=False),
        sa.Column("ephemeral_s", sa.BigInteger),
        sa.Column("evidence", sa.String),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("last_seen_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'active', 'suspended', 'quarantined', 'revoked', 'expired')",
            name="devices_state_check",
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="devices_owner_id_fk"),
        sa.ForeignKeyConstraint(
            ["registration_token_id"], ["registration_tokens.id"], name="devices_registration_token_id_fk"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="devices_tenant_id_fk"),
        sa.PrimaryKeyConstraint("id", name="devices_pk"),
        sqlite_with_rowid=False,
    )
    _what_devices_have_alone()
    _lists_of_devices()


def _what_devices_have_alone() -> None:
    op.create_index(
        "devices_live_name_key_key",
        "devices",
        ["tenant_id", "name_key"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "devices_live_ipv4_key",
        "devices",
        ["tenant_id", "ipv4"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL AND ipv4 IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NULL AND ipv4 IS NOT NULL"),
    )
    op.create_index(
        "devices_live_ipv6_key",
        "devices",
        ["tenant_id", "ipv6"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL AND ipv6 IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NULL AND ipv6 IS NOT NULL"),
    )
    op.create_index(
        "devices_public_key_key",
        "devices",
        ["public_key"],
        unique=True,
        sqlite_where=sa.text("public_key IS NOT NULL"),
        postgresql_where=sa.text("public_key IS NOT NULL"),
    )


def _lists_of_devices() -> None:
    op.create_index(
        "devices_ended_index",
        "devices",
        ["ended_at"],
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(
        "devices_ephemeral_index",
        "devices",
        ["ephemeral_s", "last_seen_at"],
        sqlite_where=sa.text("ephemeral_s IS NOT NULL AND ended_at IS NULL"),
        postgresql_where=sa.text("ephemeral_s IS NOT NULL AND ended_at IS NULL"),
    )
    op.create_index(
        "devices_expiring_index",
        "devices",
        ["expires_at"],
        sqlite_where=sa.text("expires_at IS NOT NULL AND ended_at IS NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL AND ended_at IS NULL"),
    )
    op.create_index(
        "devices_live_index",
        "devices",
        ["tenant_id", "id"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "devices_live_of_owner_index",
        "devices",
        ["owner_id", "tenant_id", "id"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "devices_registration_token_id_tenant_id_id_index",
        "devices",
        ["registration_token_id", "tenant_id", "id"],
    )
    op.create_index(
        "devices_tenant_id_fingerprint_id_index",
        "devices",
        ["tenant_id", "fingerprint", "id"],
        sqlite_where=sa.text("fingerprint IS NOT NULL"),
        postgresql_where=sa.text("fingerprint IS NOT NULL"),
    )
    op.create_index(
        "devices_waiting_index",
        "devices",
        ["tenant_id", "state", "id"],
        sqlite_where=sa.text("state <> 'active'"),
        postgresql_where=sa.text("state <> 'active'"),
    )


def _registration_token_secrets() -> None:
    op.create_table(
        "registration_token_secrets",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("registration_token_id", BYTEWISE, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["registration_token_id"],
            ["registration_tokens.id"],
            name="registration_token_secrets_registration_token_id_fk",
        ),
        sa.PrimaryKeyConstraint("id", name="registration_token_secrets_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "registration_token_secrets_registration_token_id_index",
        "registration_token_secrets",
        ["registration_token_id"],
    )
    op.create_index(
        "registration_token_secrets_revoked_index",
        "registration_token_secrets",
        ["revoked_at"],
        sqlite_where=sa.text("revoked_at IS NOT NULL"),
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )


def _device_tokens() -> None:
    op.create_table(
        "device_tokens",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("device_id", BYTEWISE, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="device_tokens_device_id_fk"),
        sa.PrimaryKeyConstraint("id", name="device_tokens_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("device_tokens_device_id_index", "device_tokens", ["device_id"])
    op.create_index(
        "device_tokens_revoked_index",
        "device_tokens",
        ["revoked_at"],
        sqlite_where=sa.text("revoked_at IS NOT NULL"),
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )


def _settings_of_tenants() -> None:
    op.add_column(
        "tenants", sa.Column("device_approval", sa.String, server_default="automatic", nullable=False)
    )
    op.add_column("tenants", sa.Column("version", sa.BigInteger, server_default="1", nullable=False))
    op.add_column("tenants", sa.Column("deleted_at", sa.DateTime(timezone=True)))
