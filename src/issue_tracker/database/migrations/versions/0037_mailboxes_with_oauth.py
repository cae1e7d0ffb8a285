"""Mailboxes to which the server signs in with OAuth."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
oldest_program = "0031"


def upgrade() -> None:
    for name in ("token_url", "client_id", "scope"):
        op.add_column("alert_mailboxes", sa.Column(name, sa.Text(), nullable=True))
