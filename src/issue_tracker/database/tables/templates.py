"""Templates of issues: initial values for new issues."""

from sqlalchemy import Boolean, Text
from sqlalchemy.schema import Column, ForeignKey, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

issue_templates = Table(
    "issue_templates",
    metadata,
    Column("template_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False, unique=True),
    Column("name_pattern", Text),
    Column("description", Text),
    Column("severity", Text),
    # A JSON list, as in `issues`.
    Column("tags", Text),
    Column("first_update", Text),
    Column("first_update_public", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

# Companies and groups can be deleted even if a template refers to them.
issue_template_companies = Table(
    "issue_template_companies",
    metadata,
    Column("template_id", Id, ForeignKey("issue_templates.template_id", ondelete="CASCADE"), primary_key=True),
    Column("company_id", Id, ForeignKey("companies.company_id", ondelete="CASCADE"), primary_key=True, index=True),
)

issue_template_groups = Table(
    "issue_template_groups",
    metadata,
    Column("template_id", Id, ForeignKey("issue_templates.template_id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", Id, ForeignKey("company_groups.group_id", ondelete="CASCADE"), primary_key=True, index=True),
)
