"""The first schema: users, companies, issues, assignments, history, safe retries, search."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant, Key

revision = "0001"
down_revision = None

SQLITE_SEARCH = (
    # The texts are casefolded already (names.key), so the index must not casefold them again.
    """
    CREATE VIRTUAL TABLE issue_search USING fts5(
        name_key, description_key, content='issues', content_rowid='issue_id',
        tokenize="trigram case_sensitive 1", detail=full
    )
    """,
    """
    CREATE TRIGGER issue_search_insert AFTER INSERT ON issues BEGIN
        INSERT INTO issue_search (rowid, name_key, description_key)
        VALUES (new.issue_id, new.name_key, new.description_key);
    END
    """,
    """
    CREATE TRIGGER issue_search_update AFTER UPDATE OF name_key, description_key ON issues BEGIN
        INSERT INTO issue_search (issue_search, rowid, name_key, description_key)
        VALUES ('delete', old.issue_id, old.name_key, old.description_key);
        INSERT INTO issue_search (rowid, name_key, description_key)
        VALUES (new.issue_id, new.name_key, new.description_key);
    END
    """,
    """
    CREATE TRIGGER issue_search_delete AFTER DELETE ON issues BEGIN
        INSERT INTO issue_search (issue_search, rowid, name_key, description_key)
        VALUES ('delete', old.issue_id, old.name_key, old.description_key);
    END
    """,
)

POSTGRESQL_EVENT_ORDER = """
    CREATE FUNCTION next_event_id() RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN
        -- The transaction takes its number before it takes an event's: docs/decisions/0004-event-order.md.
        PERFORM pg_current_xact_id();
        RETURN nextval('events_event_id_seq');
    END $$
"""


def upgrade() -> None:
    op.create_table(
        "companies",
        sa.Column("company_id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", Key, nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_companies")),
        sa.UniqueConstraint("name_key", name=op.f("uq_companies_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "events",
        sa.Column("event_id", Id, nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("audit", sa.Boolean(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor_id", Id, nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("issue_id", Id, nullable=True),
        sa.Column("issue_name", sa.Text(), nullable=True),
        sa.Column("issue_key", Key, nullable=True),
        sa.Column("company_id", Id, nullable=True),
        sa.Column("company_name", sa.Text(), nullable=True),
        sa.Column("company_key", Key, nullable=True),
        sa.Column("from_value", sa.Text(), nullable=True),
        sa.Column("to_value", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_actor_id_event_id", "events", ["actor_id", "event_id"], unique=False)
    op.create_index("ix_events_audit_event_id", "events", ["audit", "event_id"], unique=False)
    op.create_index("ix_events_company_id_event_id", "events", ["company_id", "event_id"], unique=False)
    op.create_index("ix_events_company_key_event_id", "events", ["company_key", "event_id"], unique=False)
    op.create_index("ix_events_issue_id_event_id", "events", ["issue_id", "event_id"], unique=False)
    op.create_index("ix_events_issue_key_event_id", "events", ["issue_key", "event_id"], unique=False)
    op.create_index("ix_events_request_id_event_id", "events", ["request_id", "event_id"], unique=False)
    op.create_index("ix_events_type_event_id", "events", ["type", "event_id"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("actor_key", sa.Text(), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("actor_key", "method", "path", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "issues",
        sa.Column("issue_id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", Key, nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("description_key", Key, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("issue_id", name=op.f("pk_issues")),
        sa.UniqueConstraint("name_key", name=op.f("uq_issues_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_issues_created_at_issue_id", "issues", ["created_at", "issue_id"], unique=False)
    op.create_index("ix_issues_name_key_issue_id", "issues", ["name_key", "issue_id", "revision"], unique=False)
    op.create_index("ix_issues_updated_at_issue_id", "issues", ["updated_at", "issue_id"], unique=False)
    op.create_table(
        "setup_tokens",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_setup_tokens")),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("id", Id, nullable=False),
        sa.Column("account_key", Key, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_failures")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sign_in_failures_account_key_at", "sign_in_failures", ["account_key", "at"], unique=False)
    op.create_index("ix_sign_in_failures_address_at", "sign_in_failures", ["address", "at"], unique=False)
    op.create_index("ix_sign_in_failures_at", "sign_in_failures", ["at"], unique=False)
    op.create_table(
        "users",
        sa.Column("user_id", Id, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", Key, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_key", name=op.f("uq_users_email_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "assignments",
        sa.Column("assignment_id", Id, nullable=False),
        sa.Column("issue_id", Id, nullable=False),
        sa.Column("company_id", Id, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.company_id"], name=op.f("fk_assignments_company_id")),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issues.issue_id"], name=op.f("fk_assignments_issue_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("assignment_id", name=op.f("pk_assignments")),
        sa.UniqueConstraint("issue_id", "company_id", name=op.f("uq_assignments_issue_id_company_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_assignments_company_id_status", "assignments", ["company_id", "status", "issue_id"], unique=False
    )
    op.create_index("ix_assignments_status_issue_id", "assignments", ["status", "issue_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", Id, nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("used_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "sign_in_addresses",
        sa.Column("user_id", Id, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_sign_in_addresses_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "address", name=op.f("pk_sign_in_addresses")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", Id, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("last_used_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("key", name=op.f("uq_tokens_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        for statement in SQLITE_SEARCH:
            op.execute(statement)
    else:
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        op.create_index(
            "ix_issues_search",
            "issues",
            ["name_key", "description_key"],
            postgresql_using="gin",
            postgresql_ops={"name_key": "gin_trgm_ops", "description_key": "gin_trgm_ops"},
        )
        op.execute(POSTGRESQL_EVENT_ORDER)
