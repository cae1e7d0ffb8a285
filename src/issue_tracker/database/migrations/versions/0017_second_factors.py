"""Second factors: authenticator apps, passkeys, recovery codes, and sign-ins that wait for one.

Earlier programs may not run on this schema: they would let users in without their second factor.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant

revision = "0017"
down_revision = "0016"
oldest_program = "0017"


def upgrade() -> None:
    for table, column in (("users", "has_factor"), ("sessions", "second_factor")):
        op.add_column(table, sa.Column(column, sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("sign_in_devices", sa.Column("second_factor_until", Instant, nullable=True))
    op.create_table(
        "factors",
        sa.Column("id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("method", sa.String(20), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("last_step", Id, nullable=True),
        sa.Column("credential_id", sa.LargeBinary(), nullable=True),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("sign_count", Id, nullable=True),
        sa.Column("transports", sa.Text(), nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("confirmed_at", Instant, nullable=True),
        sa.Column("last_used_at", Instant, nullable=True),
        _of_user("factors"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_factors")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_factors_credential_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_factors_user_id"), "factors", ["user_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", Id, nullable=False),
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        _of_user("recovery_codes"),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "sign_in_challenges",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        _of_user("sign_in_challenges"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_in_challenges")),
    )
    op.create_index(op.f("ix_sign_in_challenges_user_id"), "sign_in_challenges", ["user_id"], unique=False)
    op.create_table(
        "spent_challenges",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_spent_challenges")),
    )
    for table in ("sign_in_challenges", "spent_challenges"):
        op.create_index(op.f(f"ix_{table}_expires_at"), table, ["expires_at"], unique=False)


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE")
