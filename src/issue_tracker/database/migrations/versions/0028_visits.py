"""Adds the visits of users, and an index of assignments by the start of their outage."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant

revision = "0028"
down_revision = "0027"
oldest_program = "0026"


def upgrade() -> None:
    op.create_table(
        "visits",
        sa.Column("user_id", Id, autoincrement=False, nullable=False),
        sa.Column("last_at", Instant, nullable=False),
        sa.Column("previous_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_visits_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_visits")),
    )
    affected = sa.text("affected_since IS NOT NULL")
    op.create_index(
        "ix_assignments_affected_since",
        "assignments",
        ["affected_since", "assignment_id"],
        sqlite_where=affected,
        postgresql_where=affected,
    )
