"""Groups of companies."""

from sqlalchemy import Text
from sqlalchemy.schema import Column, ForeignKey, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

company_groups = Table(
    "company_groups",
    metadata,
    Column("group_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

company_group_members = Table(
    "company_group_members",
    metadata,
    Column("group_id", Id, ForeignKey("company_groups.group_id", ondelete="CASCADE"), primary_key=True),
    # No cascade: a company that something refers to is never deleted.
    Column("company_id", Id, ForeignKey("companies.company_id"), primary_key=True, index=True),
)
