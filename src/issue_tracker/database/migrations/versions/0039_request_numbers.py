"""What distinguishes the requests for which a client has sent the same request id."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id

revision = "0039"
down_revision = "0038"
oldest_program = "0031"


def upgrade() -> None:
    op.add_column("events", sa.Column("request_number", Id, nullable=True))
