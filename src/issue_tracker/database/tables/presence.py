"""Which users have which pages open."""

from sqlalchemy.schema import Column, ForeignKey, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant

# When a user last had the page of an issue open (issues/presence.py). Rows expire after a short time.
presence = Table(
    "presence",
    metadata,
    Column("issue_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("seen_at", Instant, nullable=False),
)
