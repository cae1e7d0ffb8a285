"""A delivery names the issue that its message is about, and the pending deliveries of a webhook are found in order.

Pending deliveries from before have no issue: they are sent one after the other. `attempts` counts failures from now on,
so that an attempt under way is not included.
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
