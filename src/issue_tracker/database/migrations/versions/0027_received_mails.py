"""Receivers of e-mail: digests of the messages that were processed, and the last message, to try patterns on."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant

revision = "0027"
down_revision = "0026"
oldest_program = "0026"


def upgrade() -> None:
    op.add_column("alert_receivers", sa.Column("last_message", sa.Text(), nullable=True))
    op.create_table(
        "received_mails",
        sa.Column("id", Id, nullable=False),
        sa.Column("receiver_id", Id, nullable=False),
        sa.Column("identity", sa.LargeBinary(32), nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["receiver_id"],
            ["alert_receivers.id"],
            name=op.f("fk_received_mails_receiver_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_received_mails")),
        sa.UniqueConstraint("receiver_id", "identity", name=op.f("uq_received_mails_receiver_id_identity")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_received_mails_received_at", "received_mails", ["received_at"], unique=False)
