"""Updates: texts on issues, and the companies they are for. Events name the update that they are about.

Earlier programs do not know the types of these events.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant

revision = "0016"
down_revision = "0015"
oldest_program = "0016"


def upgrade() -> None:
    op.create_table(
        "updates",
        sa.Column("update_id", Id, nullable=False),
        sa.Column("issue_id", Id, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("for_all", sa.Boolean(), nullable=False),
        sa.Column("author_id", Id, nullable=True),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("edited_at", Instant, nullable=True),
        sa.Column("withdrawn_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issues.issue_id"], name=op.f("fk_updates_issue_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("update_id", name=op.f("pk_updates")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_updates_issue_id_update_id", "updates", ["issue_id", "update_id"], unique=False)
    op.create_table(
        "update_companies",
        sa.Column("update_id", Id, nullable=False),
        sa.Column("company_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.company_id"], name=op.f("fk_update_companies_company_id")),
        sa.ForeignKeyConstraint(
            ["update_id"], ["updates.update_id"], name=op.f("fk_update_companies_update_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("update_id", "company_id", name=op.f("pk_update_companies")),
    )
    op.create_index(
        "ix_update_companies_company_id_update_id", "update_companies", ["company_id", "update_id"], unique=False
    )
    op.add_column("events", sa.Column("update_id", Id, nullable=True))
