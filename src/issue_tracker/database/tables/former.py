"""Former names of issues, and merged issues: a former name or number leads to the present issue."""

from sqlalchemy import Text
from sqlalchemy.schema import Column, ForeignKey, Table

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
)

# The issue into which another one was merged. Issue numbers are never reused.
merged_issues = Table(
    "merged_issues",
    metadata,
    Column("issue_id", Id, primary_key=True, autoincrement=False),
    Column("into_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), nullable=False, index=True),
)
