"""The companies of merged issues, and the issues that had the former names. Both are taken from the history."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id

revision = "0035"
down_revision = "0034"
oldest_program = "0031"


def upgrade() -> None:
    op.create_table(
        "merged_companies",
        sa.Column("issue_id", Id, autoincrement=False, nullable=False),
        sa.Column("company_id", Id, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["merged_issues.issue_id"],
            name=op.f("fk_merged_companies_issue_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.company_id"], name=op.f("fk_merged_companies_company_id")),
        sa.PrimaryKeyConstraint("issue_id", "company_id", name=op.f("pk_merged_companies")),
    )
    op.create_index(op.f("ix_merged_companies_company_id"), "merged_companies", ["company_id"], unique=False)
    op.add_column("former_names", sa.Column("origin_id", Id, nullable=True))
    # A merge removes the assignments of the merged issue without an event.
    op.execute(
        "INSERT INTO merged_companies (issue_id, company_id)"
        " SELECT DISTINCT happened.issue_id, happened.company_id FROM merged_issues"
        " JOIN events AS happened ON happened.issue_id = merged_issues.issue_id"
        " JOIN companies ON companies.company_id = happened.company_id"
        " WHERE happened.type LIKE 'assignment.%' AND happened.type <> 'assignment.deleted'"
        " AND NOT EXISTS (SELECT 1 FROM events AS removed WHERE removed.issue_id = happened.issue_id"
        " AND removed.company_id = happened.company_id AND removed.event_id > happened.event_id"
        " AND removed.type = 'assignment.deleted')"
    )
    op.execute(
        "UPDATE former_names SET origin_id = (SELECT max(merged_issues.issue_id) FROM merged_issues"
        " JOIN events ON events.issue_id = merged_issues.issue_id"
        " WHERE merged_issues.into_id = former_names.issue_id AND events.issue_key = former_names.name_key)"
    )
    op.execute(
        "UPDATE former_names SET origin_id = issue_id WHERE EXISTS (SELECT 1 FROM events"
        " WHERE events.issue_id = former_names.issue_id AND events.type = 'issue.updated' AND events.field = 'name'"
        " AND events.from_value = former_names.name)"
    )
