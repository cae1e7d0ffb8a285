"""The external keys of merged issues whose remaining issue has a key of its own."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Key

revision = "0040"
down_revision = "0039"
oldest_program = "0031"


def upgrade() -> None:
    op.add_column("merged_issues", sa.Column("external_key", Key, nullable=True))
    condition = sa.text("external_key IS NOT NULL")
    op.create_index(
        "ix_merged_issues_external_key",
        "merged_issues",
        ["external_key"],
        unique=True,
        sqlite_where=condition,
        postgresql_where=condition,
    )
