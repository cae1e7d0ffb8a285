"""Former names of issues, and the targets of merged issues. The former names are taken from the history."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant, Key

revision = "0021"
down_revision = "0020"
oldest_program = "0021"


def upgrade() -> None:
    op.create_table(
        "former_names",
        sa.Column("name_key", Key, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("issue_id", Id, nullable=False),
        sa.Column("since", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issues.issue_id"], name=op.f("fk_former_names_issue_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name_key", name=op.f("pk_former_names")),
    )
    op.create_index(op.f("ix_former_names_issue_id"), "former_names", ["issue_id"], unique=False)
    op.create_table(
        "merged_issues",
        sa.Column("issue_id", Id, autoincrement=False, nullable=False),
        sa.Column("into_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["into_id"], ["issues.issue_id"], name=op.f("fk_merged_issues_into_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", name=op.f("pk_merged_issues")),
    )
    op.create_index(op.f("ix_merged_issues_into_id"), "merged_issues", ["into_id"], unique=False)
    # The key of a former name is the issue key of the last event before the renaming.
    renamed = "renamed.type = 'issue.updated' AND renamed.field = 'name'"
    op.execute(
        "INSERT INTO former_names (name_key, name, issue_id, since)"
        " SELECT called.issue_key, max(called.issue_name), max(called.issue_id), max(called.at) FROM events AS called"
        " JOIN issues ON issues.issue_id = called.issue_id"
        " WHERE called.issue_key <> issues.name_key"
        f" AND EXISTS (SELECT 1 FROM events AS renamed WHERE {renamed} AND renamed.issue_id = called.issue_id)"
        " AND NOT EXISTS (SELECT 1 FROM issues AS taken WHERE taken.name_key = called.issue_key)"
        " GROUP BY called.issue_key"
    )
