"""When alerts changed their state, to detect flapping."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
oldest_program = "0023"


def upgrade() -> None:
    op.add_column("alerts", sa.Column("changes", sa.Text(), nullable=True))
    op.add_column("alerts", sa.Column("flapping", sa.Boolean(), server_default=sa.false(), nullable=False))
