"""When users were active."""

from sqlalchemy.schema import Column, ForeignKey, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant

# When a user was last active, and when the visit before the current one ended (auth/visits.py).
visits = Table(
    "visits",
    metadata,
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("last_at", Instant, nullable=False),
    Column("previous_at", Instant),
)
