"""What issues were called, and what they became: a former name or number leads on."""

from sqlalchemy import Text
from sqlalchemy.schema import Column, ForeignKey, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

# A name that an issue had, until another issue takes it.
former_names = Table(
    "former_names",
    metadata,
    Column("name_key", Key, primary_key=True),
    Column("name", Text, nullable=False),
    Column("issue_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("since", Instant, nullable=False),
)

# The issue that another one was merged into. Numbers are not used again.
merged_issues = Table(
    "merged_issues",
    metadata,
    Column("issue_id", Id, primary_key=True, autoincrement=False),
    Column("into_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), nullable=False, index=True),
)
