"""Adds templates of issues.

Programs before this version do not know the types of the events about templates.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant, Key

revision = "0025"
down_revision = "0024"
oldest_program = "0025"


def upgrade() -> None:
    op.create_table(
        "issue_templates",
        sa.Column("template_id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", Key, nullable=False),
        sa.Column("name_pattern", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=True),
        sa.Column("first_update", sa.Text(), nullable=True),
        sa.Column("first_update_public", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("template_id", name=op.f("pk_issue_templates")),
        sa.UniqueConstraint("name_key", name=op.f("uq_issue_templates_name_key")),
        sqlite_autoincrement=True,
    )
    for table, column, referred in (
        ("issue_template_companies", "company_id", "companies"),
        ("issue_template_groups", "group_id", "company_groups"),
    ):
        op.create_table(
            table,
            sa.Column("template_id", Id, nullable=False),
            sa.Column(column, Id, nullable=False),
            sa.ForeignKeyConstraint(
                [column], [f"{referred}.{column}"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE"
            ),
            sa.ForeignKeyConstraint(
                ["template_id"],
                ["issue_templates.template_id"],
                name=op.f(f"fk_{table}_template_id"),
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint("template_id", column, name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
