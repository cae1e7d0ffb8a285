"""Alerts that monitoring systems have reported, their receivers and their rules (contract, section 14)."""

from sqlalchemy import Boolean, Integer, LargeBinary, String, Text, false
from sqlalchemy.schema import Column, ForeignKey, Index, Table, UniqueConstraint

from issue_tracker.database.tables.indexes import partial
from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Id, primary_key=True),
    # The owner of the key: 0 for all actors with access to every company, a user's id, or a receiver's id, negated.
    # Otherwise an actor with limited company access could find out which keys others use.
    Column("namespace", Id, nullable=False),
    Column("key", Key, nullable=False),
    Column("state", String(10), nullable=False),
    # The names as they were sent; the keys show whether the sender means something else than the last time.
    Column("issue_text", Text, nullable=False),
    Column("company_text", Text, nullable=False),
    Column("issue_key", Key, nullable=False),
    Column("company_key", Key, nullable=False),
    Column("severity", String(20)),
    Column("summary", Text),
    Column("url", Text),
    # What a receiver was sent, as a JSON object of texts, to which rules are applied.
    Column("labels", Text),
    # Whether it is unknown which issue or company the alert is about.
    Column("unsorted", Boolean, nullable=False, server_default=false()),
    # When a held alert takes effect, or a resolved one has been steady for long enough; null: immediately.
    Column("due_at", Instant),
    Column("cleared_status", String(20), nullable=False, server_default="resolved"),
    # The instants of the last changes of its state, as a JSON list, if a rule limits them.
    Column("changes", Text),
    Column("flapping", Boolean, nullable=False, server_default=false()),
    # The assignment that the alert is about. Both are null while it has none, except for the company of a held alert.
    # Copies, not references: the alert outlives the issue.
    Column("issue_id", Id),
    Column("company_id", Id),
    # The event by which alerts opened the assignment; null if a person had opened it before.
    Column("opening_event_id", Id),
    # How often in a row the state was reported. 0 only within the transaction that inserts the row.
    Column("count", Id, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    UniqueConstraint("namespace", "key"),
    Index("ix_alerts_state_alert_id", "state", "alert_id"),
    Index("ix_alerts_issue_id_company_id", "issue_id", "company_id"),
    Index("ix_alerts_last_at", "last_at"),
    partial("ix_alerts_due_at", "due_at", where="due_at IS NOT NULL"),
    partial("ix_alerts_unsorted", "alert_id", where="unsorted"),
    sqlite_autoincrement=True,
)

# Addresses to which monitoring systems report in their own format. The secret is a part of the address.
alert_receivers = Table(
    "alert_receivers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    # How messages are parsed, as a JSON object: JMESPath expressions (`generic`), or patterns (`email`).
    Column("mapping", Text),
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("active", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_received_at", Instant),
    # The beginning of the last email message, as text, to try patterns on.
    Column("last_message", Text),
    sqlite_autoincrement=True,
)

# The status feeds that the server polls for receivers of the kind `feed`.
alert_feeds = Table(
    "alert_feeds",
    metadata,
    Column(
        "receiver_id", Id, ForeignKey("alert_receivers.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("url", Text, nullable=False),
    # Null after the group was deleted; the feed is not polled successfully until another one is chosen.
    Column("group_id", Id, ForeignKey("company_groups.group_id", ondelete="SET NULL"), index=True),
    Column("interval_minutes", Integer, nullable=False),
    # When the feed is polled next; while a process polls it, when the claim of this process expires.
    Column("due_at", Instant, nullable=False),
    # The validators of the last response, and the open incidents in it, as a JSON list (alerts/feeds/documents.py).
    Column("etag", Text),
    Column("last_modified", Text),
    Column("incidents", Text, nullable=False),
    Column("last_success_at", Instant),
    Column("last_failure_at", Instant),
    Column("failure", Text),
    # The number of failures since the last success.
    Column("failures", Integer, nullable=False),
    Index("ix_alert_feeds_due_at", "due_at"),
)

# The mailboxes that the server polls for receivers of the kind `email`.
alert_mailboxes = Table(
    "alert_mailboxes",
    metadata,
    Column(
        "receiver_id", Id, ForeignKey("alert_receivers.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("security", String(20), nullable=False),
    Column("username", Text, nullable=False),
    # Encrypted with the server key. With OAuth, the client secret.
    Column("password", Text, nullable=False),
    # The token endpoint, the client and the scope, if the server signs in with OAuth.
    Column("token_url", Text),
    Column("client_id", Text),
    Column("scope", Text),
    Column("folder", Text, nullable=False),
    # Where processed messages are moved; null: they are marked as read.
    Column("processed_folder", Text),
    Column("interval_minutes", Integer, nullable=False),
    # As in `alert_feeds`.
    Column("due_at", Instant, nullable=False),
    Column("last_success_at", Instant),
    Column("last_failure_at", Instant),
    Column("failure", Text),
    Column("failures", Integer, nullable=False),
    Index("ix_alert_mailboxes_due_at", "due_at"),
)

# Processed email messages, each identified by one or more digests, so that none is processed twice.
received_mails = Table(
    "received_mails",
    metadata,
    Column("id", Id, primary_key=True),
    Column("receiver_id", Id, ForeignKey("alert_receivers.id", ondelete="CASCADE"), nullable=False),
    Column("identity", LargeBinary(32), nullable=False),
    Column("received_at", Instant, nullable=False),
    UniqueConstraint("receiver_id", "identity"),
    Index("ix_received_mails_received_at", "received_at"),
    sqlite_autoincrement=True,
)

# The rules for alerts from receivers: the first rule, by position, whose conditions hold applies.
alert_rules = Table(
    "alert_rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    # The whole rule (alerts/rules.py), as JSON.
    Column("definition", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)
