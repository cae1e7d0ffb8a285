"""Status feeds of suppliers, which the server polls for receivers of alerts.

Earlier programs do not know the kind of these receivers.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant

revision = "0031"
down_revision = "0030"
oldest_program = "0031"


def upgrade() -> None:
    op.create_table(
        "alert_feeds",
        sa.Column("receiver_id", Id, autoincrement=False, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("group_id", Id, nullable=True),
        sa.Column("interval_minutes", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant, nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("incidents", sa.Text(), nullable=False),
        sa.Column("last_success_at", Instant, nullable=True),
        sa.Column("last_failure_at", Instant, nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["company_groups.group_id"],
            name=op.f("fk_alert_feeds_group_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["receiver_id"],
            ["alert_receivers.id"],
            name=op.f("fk_alert_feeds_receiver_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("receiver_id", name=op.f("pk_alert_feeds")),
    )
    op.create_index("ix_alert_feeds_due_at", "alert_feeds", ["due_at"], unique=False)
    op.create_index(op.f("ix_alert_feeds_group_id"), "alert_feeds", ["group_id"], unique=False)
