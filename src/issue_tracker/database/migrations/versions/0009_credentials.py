"""Sessions know when their user last proved to be there. Those from before have to prove it."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Instant

revision = "0009"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("confirmed_at", Instant, nullable=True))
