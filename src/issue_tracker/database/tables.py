"""The whole schema on one page. The migrations build exactly this, which tests/test_migrations.py proves.

Only in the migrations are SQLite's FTS5 table `issue_search`, PostgreSQL's pg_trgm and `next_event_id()`, and triggers.
"""

from sqlalchemy import Boolean, Integer, LargeBinary, String, Text, text
from sqlalchemy.schema import Column, ForeignKey, Index, MetaData, Table, UniqueConstraint

from issue_tracker.database.types import Id, Instant, Key

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# --- people and their credentials -------------------------------------------------------------------
users = Table(
    "users",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_key", Key, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", String(20), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    sqlite_autoincrement=True,
)

setup_tokens = Table(
    "setup_tokens",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("created_at", Instant, nullable=False),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_key", Key, nullable=False),
    Column("address", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_sign_in_failures_account_key_at", "account_key", "at"),
    Index("ix_sign_in_failures_address_at", "address", "at"),
    Index("ix_sign_in_failures_at", "at"),
    sqlite_autoincrement=True,
)

sign_in_addresses = Table(
    "sign_in_addresses",
    metadata,
    Column("user_id", Id, ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("address", Text, primary_key=True),
    Column("at", Instant, nullable=False),
)

# --- companies, issues, assignments -----------------------------------------------------------------
companies = Table(
    "companies",
    metadata,
    Column("company_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False, unique=True),
    Column("archived", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

issues = Table(
    "issues",
    metadata,
    Column("issue_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False, unique=True),
    Column("description", Text),
    Column("description_key", Key, nullable=False),
    # +1 at every change to the issue, its assignments, or the name of an assigned company: ETag and cache key.
    Column("revision", Integer, nullable=False),
    # Which statuses occur among its assignments (status.mask). Triggers count them in `issue_counters`.
    Column("statuses", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_issues_name_key_issue_id", "name_key", "issue_id", "revision"),
    Index("ix_issues_updated_at_issue_id", "updated_at", "issue_id"),
    Index("ix_issues_created_at_issue_id", "created_at", "issue_id"),
    Index(
        "ix_issues_search",
        "name_key",
        "description_key",
        postgresql_using="gin",
        postgresql_ops={"name_key": "gin_trgm_ops", "description_key": "gin_trgm_ops"},
    ).ddl_if(dialect="postgresql"),
    sqlite_autoincrement=True,
)

assignments = Table(
    "assignments",
    metadata,
    Column("assignment_id", Id, primary_key=True),
    Column("issue_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), nullable=False),
    Column("company_id", Id, ForeignKey("companies.company_id"), nullable=False),
    # A copy of the issue's name_key, so that the list of a company or a status is read in order from one index.
    Column("issue_key", Key, nullable=False, server_default=text("''")),
    Column("status", String(20), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("issue_id", "company_id"),
    Index("ix_assignments_company_id_status", "company_id", "status", "issue_id"),
    Index("ix_assignments_company_id_issue_key", "company_id", "issue_key", "issue_id", "status"),
    Index("ix_assignments_status_issue_key", "status", "issue_key", "issue_id"),
    sqlite_autoincrement=True,
)

# How many issues have which statuses, for totals without a scan (docs/decisions/0011). Triggers on issues update it.
issue_counters = Table(
    "issue_counters",
    metadata,
    Column("statuses", Integer, primary_key=True, autoincrement=False),
    Column("shard", Id, primary_key=True, autoincrement=False),
    Column("issues", Id, nullable=False),
)

# How many assignments are in each status, in the same way. Triggers on assignments update it.
assignment_counters = Table(
    "assignment_counters",
    metadata,
    Column("status", String(20), primary_key=True),
    Column("shard", Id, primary_key=True, autoincrement=False),
    Column("assignments", Id, nullable=False),
)

# --- history ----------------------------------------------------------------------------------------
events = Table(
    "events",
    metadata,
    Column("event_id", Id, primary_key=True),
    Column("type", String(40), nullable=False),
    # Whether only super admins may see it: events of sign-ins, users, companies, tokens and webhooks.
    Column("audit", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    # Copies, not references: the history outlives what it describes, and shows the names as they were at the time.
    Column("actor_id", Id),
    Column("actor_name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("issue_id", Id),
    Column("issue_name", Text),
    Column("issue_key", Key),
    Column("company_id", Id),
    Column("company_name", Text),
    Column("company_key", Key),
    Column("from_value", Text),
    Column("to_value", Text),
    # Which field an issue.updated event changed, such as `name`; null for every other type.
    Column("field", Text),
    Column("note", Text),
    Index("ix_events_audit_event_id", "audit", "event_id"),
    Index("ix_events_issue_id_event_id", "issue_id", "event_id"),
    Index("ix_events_issue_key_event_id", "issue_key", "event_id"),
    Index("ix_events_company_id_event_id", "company_id", "event_id"),
    Index("ix_events_company_key_event_id", "company_key", "event_id"),
    Index("ix_events_type_event_id", "type", "event_id"),
    Index("ix_events_actor_id_event_id", "actor_id", "event_id"),
    Index("ix_events_request_id_event_id", "request_id", "event_id"),
    # Actors without an account are found by name: the command line, and strangers who tried to sign in.
    Index(
        "ix_events_actor_name_event_id",
        "actor_name",
        "event_id",
        sqlite_where=text("actor_id IS NULL"),
        postgresql_where=text("actor_id IS NULL"),
    ),
    sqlite_autoincrement=True,
)

# --- webhooks ---------------------------------------------------------------------------------------
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("url", Text, nullable=False),
    # JSON lists; an empty list means all.
    Column("event_types", Text, nullable=False),
    Column("company_ids", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("description", Text, nullable=False),
    # In plain text, because both sides sign with them. They are never shown again and never logged.
    Column("secret", Text, nullable=False),
    Column("previous_secret", Text),
    Column("previous_secret_until", Instant),
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
    # The one issue that the message is about, or null; not a reference, because messages outlive the issue.
    Column("issue_id", Id),
    Column("type", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(20), nullable=False),
    # How many attempts failed. Those that were lost with their worker are not counted.
    Column("attempts", Integer, nullable=False),
    # When to try next; for a claimed delivery, when its claim lapses.
    Column("due_at", Instant, nullable=False),
    Column("claim", String(32)),
    Column("created_at", Instant, nullable=False, index=True),
    Index("ix_deliveries_state_due_at", "state", "due_at"),
    Index("ix_deliveries_webhook_id_id", "webhook_id", "id"),
    Index(
        "ix_deliveries_pending",
        "webhook_id",
        "id",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
    sqlite_autoincrement=True,
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("delivery_id", Id, ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    # All null while the attempt runs, and permanently when its worker was killed.
    Column("code", Integer),
    Column("milliseconds", Integer),
    Column("error", Text),
    Column("answer", Text),
    sqlite_autoincrement=True,
)

# --- the history itself -----------------------------------------------------------------------------
# One row: which history this is, and the place where it was last served (database/history_identity.py).
history_identity = Table(
    "history_identity",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("identity", String(32), nullable=False),
    Column("place", Text, nullable=False),
)

# --- safe retries -----------------------------------------------------------------------------------
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("actor_key", Text, primary_key=True),
    Column("method", String(10), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", LargeBinary(32), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
)
