"""Receivers and rules of alerts, and the columns of alerts that they need."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant, Key

revision = "0020"
down_revision = "0019"
oldest_program = "0019"


def upgrade() -> None:
    op.create_table(
        "alert_receivers",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", Key, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("mapping", sa.Text(), nullable=True),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("last_received_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_receivers")),
        sa.UniqueConstraint("name_key", name=op.f("uq_alert_receivers_name_key")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_alert_receivers_secret_hash")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "alert_rules",
        sa.Column("id", Id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rules")),
        sqlite_autoincrement=True,
    )
    op.add_column("alerts", sa.Column("labels", sa.Text(), nullable=True))
    op.add_column("alerts", sa.Column("unsorted", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("alerts", sa.Column("due_at", Instant, nullable=True))
    op.add_column("alerts", sa.Column("cleared_status", sa.String(20), server_default="resolved", nullable=False))
    op.execute("UPDATE alerts SET unsorted = true WHERE issue_id IS NULL AND state = 'firing'")
    op.create_index("ix_alerts_last_at", "alerts", ["last_at"], unique=False)
    due, unsorted = sa.text("due_at IS NOT NULL"), sa.text("unsorted")
    op.create_index("ix_alerts_due_at", "alerts", ["due_at"], unique=False, sqlite_where=due, postgresql_where=due)
    op.create_index(
        "ix_alerts_unsorted", "alerts", ["alert_id"], unique=False, sqlite_where=unsorted, postgresql_where=unsorted
    )
