"""Browsers in which a user has signed in have their names, so that the user can recognize them."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
oldest_program = "0022"


def upgrade() -> None:
    op.add_column("sign_in_devices", sa.Column("user_agent", sa.Text(), nullable=True))
