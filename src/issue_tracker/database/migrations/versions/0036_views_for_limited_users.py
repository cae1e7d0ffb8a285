"""Whether a view is also shared with users who see less than its author. Present views are not."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
oldest_program = "0031"


def upgrade() -> None:
    op.add_column(
        "saved_views", sa.Column("shared_with_limited", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
