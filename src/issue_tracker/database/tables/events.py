"""The history and its identity."""

from sqlalchemy import Boolean, Integer, String, Text
from sqlalchemy.schema import Column, Index, Table

from issue_tracker.database.tables.indexes import partial
from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

events = Table(
    "events",
    metadata,
    Column("event_id", Id, primary_key=True),
    Column("type", String(40), nullable=False),
    # Whether only super admins may see it: events of sign-ins, users, companies, tokens and webhooks.
    Column("audit", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    # Copies, not references: the history outlives what it describes, and shows the names at the time of the event.
    Column("actor_id", Id),
    Column("actor_name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    # Distinguishes the requests for which a client has sent the same request_id; null in events of earlier programs.
    Column("request_number", Id),
    Column("issue_id", Id),
    Column("issue_name", Text),
    Column("issue_key", Key),
    Column("company_id", Id),
    Column("company_name", Text),
    Column("company_key", Key),
    Column("from_value", Text),
    Column("to_value", Text),
    # The field that an issue.updated event changed, such as `name`; null for every other type.
    Column("field", Text),
    Column("note", Text),
    # The update that an event about an update refers to; null for every other type.
    Column("update_id", Id),
    # The request that this change undoes; null for every other change.
    Column("undoes", Text),
    # For changes of assignments: the previous times of the assignment (database/tables/issues.py), for an undo. A merge
    # cannot be undone, and its events have the times that the assignment gets.
    Column("status_since", Instant),
    Column("affected_since", Instant),
    Index("ix_events_audit_event_id", "audit", "event_id"),
    Index("ix_events_issue_id_event_id", "issue_id", "event_id"),
    Index("ix_events_issue_key_event_id", "issue_key", "event_id"),
    Index("ix_events_company_id_event_id", "company_id", "event_id"),
    Index("ix_events_company_key_event_id", "company_key", "event_id"),
    Index("ix_events_type_event_id", "type", "event_id"),
    Index("ix_events_actor_id_event_id", "actor_id", "event_id"),
    Index("ix_events_request_id_event_id", "request_id", "event_id"),
    # Actors without an account are found by name: the command line, and failed sign-ins to unknown accounts.
    partial("ix_events_actor_name_event_id", "actor_name", "event_id", where="actor_id IS NULL"),
    sqlite_autoincrement=True,
)

# One row: the identity of the history, and the location where it was last served (database/history_identity.py).
history_identity = Table(
    "history_identity",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("identity", String(32), nullable=False),
    Column("place", Text, nullable=False),
)
