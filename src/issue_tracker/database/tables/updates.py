"""Updates: texts on issues, for all of their companies or for some."""

from sqlalchemy import Boolean, Text
from sqlalchemy.schema import Column, ForeignKey, Index, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant

updates = Table(
    "updates",
    metadata,
    Column("update_id", Id, primary_key=True),
    Column("issue_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), nullable=False),
    # Markdown, as it was entered.
    Column("body", Text, nullable=False),
    Column("public", Boolean, nullable=False),
    # Whether it is for every company of the issue, including later ones. If not, `update_companies` lists its
    # companies.
    Column("for_all", Boolean, nullable=False),
    # Copies, as in `events`.
    Column("author_id", Id),
    Column("author_name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("edited_at", Instant),
    # A withdrawn update remains, so that its events stay visible to those who could see it; nothing else reads it.
    Column("withdrawn_at", Instant),
    Index("ix_updates_issue_id_update_id", "issue_id", "update_id"),
    sqlite_autoincrement=True,
)

update_companies = Table(
    "update_companies",
    metadata,
    Column("update_id", Id, ForeignKey("updates.update_id", ondelete="CASCADE"), primary_key=True),
    # No cascade: a company that was assigned to an issue is never deleted.
    Column("company_id", Id, ForeignKey("companies.company_id"), primary_key=True),
    Index("ix_update_companies_company_id_update_id", "company_id", "update_id"),
)
