"""Former names of issues, and merged issues: a former name, number or external key leads to the present issue."""

from sqlalchemy import Text
from sqlalchemy.schema import Column, ForeignKey, Table

from issue_tracker.database.tables.indexes import partial
from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

# A former name of an issue, until another issue takes it.
former_names = Table(
    "former_names",
    metadata,
    Column("name_key", Key, primary_key=True),
    Column("name", Text, nullable=False),
    Column("issue_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("since", Instant, nullable=False),
    # The issue that had the name: this one, or one that was merged into it. Null if a program stored the name that did
    # not know this column: then only users with access to all companies see the name.
    Column("origin_id", Id),
)

# The issue into which another one was merged. Issue numbers are never reused.
merged_issues = Table(
    "merged_issues",
    metadata,
    Column("issue_id", Id, primary_key=True, autoincrement=False),
    Column("into_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), nullable=False, index=True),
    # Its external key, if the other issue had one of its own, until another issue takes it.
    Column("external_key", Key),
    partial("ix_merged_issues_external_key", "external_key", where="external_key IS NOT NULL", unique=True),
)

# The companies of an issue at the time when it was merged: only with one of them may an actor know its names.
merged_companies = Table(
    "merged_companies",
    metadata,
    Column("issue_id", Id, ForeignKey("merged_issues.issue_id", ondelete="CASCADE"), primary_key=True),
    Column("company_id", Id, ForeignKey("companies.company_id"), primary_key=True, index=True),
)
