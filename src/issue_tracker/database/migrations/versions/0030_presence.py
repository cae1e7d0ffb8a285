"""Adds presence: which users have the page of an issue open."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant

revision = "0030"
down_revision = "0029"
oldest_program = "0029"


def upgrade() -> None:
    op.create_table(
        "presence",
        sa.Column("issue_id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("seen_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issues.issue_id"], name=op.f("fk_presence_issue_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_presence_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("issue_id", "user_id", name=op.f("pk_presence")),
    )
    op.create_index(op.f("ix_presence_user_id"), "presence", ["user_id"], unique=False)
