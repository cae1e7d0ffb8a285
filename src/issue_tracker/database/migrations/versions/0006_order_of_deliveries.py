"""Deliveries name the issue that their message is about; an index finds a webhook's pending deliveries in order.

Existing pending deliveries have no issue, so they are sent one after another. From now on, `attempts` counts failures
only, so that an attempt in progress is not included.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("issue_id", Id, nullable=True))
    op.create_index(
        "ix_deliveries_pending",
        "deliveries",
        ["webhook_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.execute("UPDATE deliveries SET attempts = attempts - 1 WHERE state = 'pending' AND claim IS NOT NULL")
