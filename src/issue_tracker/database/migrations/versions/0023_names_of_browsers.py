"""The User-Agent of each browser in which a user has signed in, so that the user can recognize it."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
oldest_program = "0022"


def upgrade() -> None:
    op.add_column("sign_in_devices", sa.Column("user_agent", sa.Text(), nullable=True))
