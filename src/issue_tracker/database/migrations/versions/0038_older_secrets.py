"""The secrets of webhooks that were replaced, and replaced again before they ceased to sign."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
oldest_program = "0031"


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("older_secrets", sa.Text(), nullable=True))
