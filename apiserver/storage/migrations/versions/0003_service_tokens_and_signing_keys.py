"""Service tokens, and the keys that sign our JWTs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

BYTEWISE = sa.String().with_variant(postgresql.VARCHAR(collation="C"), "postgresql")


def upgrade() -> None:
    _service_tokens()
    _signing_keys()


def _service_tokens() -> None:
    op.create_table(
        "service_tokens",
        sa.Column("id", BYTEWISE, nullable=False),
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("owner_id", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="service_tokens_pk"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="service_tokens_tenant_id_fk"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="service_tokens_owner_id_fk"),
        sqlite_with_rowid=False,
    )
    op.create_index("service_tokens_tenant_id_id_index", "service_tokens", ["tenant_id", "id"])
    op.create_index("service_tokens_owner_id_index", "service_tokens", ["owner_id"])


def _signing_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("algorithm", sa.String, nullable=False),
        sa.Column("sealed_private_key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signs_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="signing_keys_pk"),
        sqlite_with_rowid=False,
    )
