"""Company groups and their members."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant, Key

revision = "0012"
down_revision = "0011"
oldest_program = "0012"


def upgrade() -> None:
    op.create_table(
        "company_groups",
        sa.Column("group_id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", Key, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_company_groups")),
        sa.UniqueConstraint("name_key", name=op.f("uq_company_groups_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "company_group_members",
        sa.Column("group_id", Id, nullable=False),
        sa.Column("company_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.company_id"], name=op.f("fk_company_group_members_company_id")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["company_groups.group_id"],
            name=op.f("fk_company_group_members_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "company_id", name=op.f("pk_company_group_members")),
    )
    op.create_index(op.f("ix_company_group_members_company_id"), "company_group_members", ["company_id"], unique=False)
