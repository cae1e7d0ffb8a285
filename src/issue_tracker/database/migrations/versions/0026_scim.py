"""Adds SCIM: tokens of identity providers, the attributes of provisioned accounts, and their groups."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant, Key

revision = "0026"
down_revision = "0025"
oldest_program = "0022"


def upgrade() -> None:
    op.create_table(
        "scim_tokens",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", Key, nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("networks", sa.Text(), nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=True),
        sa.Column("last_used_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scim_tokens")),
        sa.UniqueConstraint("name_key", name=op.f("uq_scim_tokens_name_key")),
        sa.UniqueConstraint("key", name=op.f("uq_scim_tokens_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "scim_users",
        sa.Column("user_id", Id, autoincrement=False, nullable=False),
        sa.Column("user_name", sa.Text(), nullable=True),
        sa.Column("user_name_key", Key, nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("given_name", sa.Text(), nullable=True),
        sa.Column("family_name", sa.Text(), nullable=True),
        sa.Column("deleted_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_scim_users_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_scim_users")),
        sa.UniqueConstraint("user_name_key", name=op.f("uq_scim_users_user_name_key")),
    )
    op.create_index(op.f("ix_scim_users_external_id"), "scim_users", ["external_id"], unique=False)
    op.create_table(
        "scim_groups",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", Key, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scim_groups")),
        sa.UniqueConstraint("name_key", name=op.f("uq_scim_groups_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_scim_groups_external_id"), "scim_groups", ["external_id"], unique=False)
    op.create_table(
        "scim_group_members",
        sa.Column("group_id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["scim_groups.id"], name=op.f("fk_scim_group_members_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_scim_group_members_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_scim_group_members")),
    )
    op.create_index(op.f("ix_scim_group_members_user_id"), "scim_group_members", ["user_id"], unique=False)
