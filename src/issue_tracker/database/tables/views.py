"""Saved views of the list of issues."""

from sqlalchemy import Boolean, Text, false
from sqlalchemy.schema import Column, ForeignKey, Index, Table, UniqueConstraint

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

saved_views = Table(
    "saved_views",
    metadata,
    Column("view_id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False),
    # The parameters of the list, as in its URL.
    Column("query", Text, nullable=False),
    # Whether other technicians may use the view: those who see all that its author sees, and others only if it is also
    # shared with users whose company access is limited further.
    Column("shared", Boolean, nullable=False),
    Column("shared_with_limited", Boolean, server_default=false(), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("user_id", "name_key"),
    Index("ix_saved_views_shared", "shared"),
    sqlite_autoincrement=True,
)

# The view that a user starts with, which may belong to another user.
start_views = Table(
    "start_views",
    metadata,
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("view_id", Id, ForeignKey("saved_views.view_id", ondelete="CASCADE"), nullable=False, index=True),
)
