"""Sessions record the last proof of their user's identity, users can be invited, and password changes be required.

The users of existing sessions have to prove their identity again.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant

revision = "0009"
down_revision = "0008"
oldest_program = "0009"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("confirmed_at", Instant, nullable=True))
    op.add_column(
        "users", sa.Column("password_change_required", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "invitations",
        sa.Column("user_id", Id, autoincrement=False, nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_invitations_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
