"""The optional severity of an issue."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
oldest_program = "0012"


def upgrade() -> None:
    op.add_column("issues", sa.Column("severity", sa.String(length=20), nullable=True))
