"""Webhooks, the deliveries to them, and every attempt."""

from sqlalchemy import Boolean, Integer, String, Text
from sqlalchemy.schema import Column, ForeignKey, Index, Table

from issue_tracker.database.tables.indexes import partial
from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("url", Text, nullable=False),
    # JSON lists; an empty list means all.
    Column("event_types", Text, nullable=False),
    Column("company_ids", Text, nullable=False),
    # The user whose company access limits the messages; null: no limit. Not a reference, as users are never deleted.
    Column("owner_id", Id),
    Column("active", Boolean, nullable=False),
    Column("description", Text, nullable=False),
    # Encrypted with the server key (events/signing_secrets.py). They are never shown again and never logged.
    Column("secret", Text, nullable=False),
    Column("previous_secret", Text),
    Column("previous_secret_until", Instant),
    # Those replaced before the previous one that still signed then: a JSON list of objects with the encrypted `secret`
    # and `until`.
    Column("older_secrets", Text),
    Column("disabled_reason", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("webhook_id", Id, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", String(40), nullable=False),
    # The only issue that the message is about, or null; not a reference, because messages outlive the issue.
    Column("issue_id", Id),
    Column("type", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(20), nullable=False),
    # Number of failed attempts. Lost attempts, whose worker ended, are not counted.
    Column("attempts", Integer, nullable=False),
    # When to try next; for a claimed delivery, when its claim expires.
    Column("due_at", Instant, nullable=False),
    Column("claim", String(32)),
    Column("created_at", Instant, nullable=False, index=True),
    Index("ix_deliveries_state_due_at", "state", "due_at"),
    Index("ix_deliveries_webhook_id_id", "webhook_id", "id"),
    partial("ix_deliveries_pending", "webhook_id", "id", where="state = 'pending'"),
    sqlite_autoincrement=True,
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("delivery_id", Id, ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    # All null while the attempt runs, and forever if its worker was killed.
    Column("code", Integer),
    Column("milliseconds", Integer),
    Column("error", Text),
    Column("answer", Text),
    sqlite_autoincrement=True,
)
