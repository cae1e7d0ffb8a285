"""Mailboxes that the server polls over IMAP for receivers of alerts."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant

revision = "0034"
down_revision = "0033"
oldest_program = "0031"


def upgrade() -> None:
    op.create_table(
        "alert_mailboxes",
        sa.Column("receiver_id", Id, autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("security", sa.String(20), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("processed_folder", sa.Text(), nullable=True),
        sa.Column("interval_minutes", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant, nullable=False),
        sa.Column("last_success_at", Instant, nullable=True),
        sa.Column("last_failure_at", Instant, nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["receiver_id"],
            ["alert_receivers.id"],
            name=op.f("fk_alert_mailboxes_receiver_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("receiver_id", name=op.f("pk_alert_mailboxes")),
    )
    op.create_index("ix_alert_mailboxes_due_at", "alert_mailboxes", ["due_at"], unique=False)
