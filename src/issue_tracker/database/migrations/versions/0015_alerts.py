"""Alerts: what monitoring systems report, one row for each key."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant, Key

revision = "0015"
down_revision = "0014"
oldest_program = "0014"


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", Id, nullable=False),
        sa.Column("namespace", Id, nullable=False),
        sa.Column("key", Key, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("issue_text", sa.Text(), nullable=False),
        sa.Column("company_text", sa.Text(), nullable=False),
        sa.Column("issue_key", Key, nullable=False),
        sa.Column("company_key", Key, nullable=False),
        sa.Column("severity", sa.String(20), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("issue_id", Id, nullable=True),
        sa.Column("company_id", Id, nullable=True),
        sa.Column("opening_event_id", Id, nullable=True),
        sa.Column("count", Id, nullable=False),
        sa.Column("first_at", Instant, nullable=False),
        sa.Column("changed_at", Instant, nullable=False),
        sa.Column("last_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("namespace", "key", name=op.f("uq_alerts_namespace_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alerts_state_alert_id", "alerts", ["state", "alert_id"], unique=False)
    op.create_index("ix_alerts_issue_id_company_id", "alerts", ["issue_id", "company_id"], unique=False)
