"""Users, tenants and their members."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("name", sa.String),
        sa.Column("email", sa.String),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="users_pk"),
        sa.UniqueConstraint("issuer", "subject", name="users_issuer_subject_key"),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("personal_of", sa.String),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tenants_pk"),
        sa.UniqueConstraint("personal_of", name="tenants_personal_of_key"),
        sa.ForeignKeyConstraint(["personal_of"], ["users.id"], name="tenants_personal_of_fk"),
        sa.CheckConstraint("kind IN ('private', 'community')", name="tenants_kind_check"),
    )
    op.create_table(
        "members",
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name="members_pk"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="members_tenant_id_fk"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="members_user_id_fk"),
        sa.CheckConstraint("role IN ('viewer', 'member', 'admin', 'owner')", name="members_role_check"),
    )
    op.create_index("members_user_id_index", "members", ["user_id"])
