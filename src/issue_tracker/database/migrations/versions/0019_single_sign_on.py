"""Sign-in through identity providers: linked identities, their sessions, sign-ins in progress, group mappings."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant, Key

revision = "0019"
down_revision = "0018"
oldest_program = "0018"


def upgrade() -> None:
    _identities()
    _flows()
    _mappings()
    op.add_column("sign_in_challenges", sa.Column("binding", sa.Text(), nullable=True))


def _identities() -> None:
    op.create_table(
        "identities",
        sa.Column("id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("issuer", Key, nullable=False),
        sa.Column("subject", Key, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("confirmed_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_identities_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_identities_issuer_subject")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"], unique=False)
    op.create_table(
        "provider_sessions",
        sa.Column("session_id", Id, autoincrement=False, nullable=False),
        sa.Column("identity_id", Id, nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("provider_sid", sa.Text(), nullable=True),
        sa.Column("refresh_token", sa.Text(), nullable=True),
        sa.Column("check_at", Instant, nullable=True),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_provider_sessions_session_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identities.id"], name=op.f("fk_provider_sessions_identity_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_provider_sessions")),
    )
    for column in ("identity_id", "check_at"):
        op.create_index(op.f(f"ix_provider_sessions_{column}"), "provider_sessions", [column], unique=False)


def _flows() -> None:
    op.create_table(
        "sign_in_flows",
        sa.Column("state_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("session_id", Id, nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("carried", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_sign_in_flows")),
    )
    op.create_index("ix_sign_in_flows_at", "sign_in_flows", ["at"], unique=False)
    op.create_index("ix_sign_in_flows_address_at", "sign_in_flows", ["address", "at"], unique=False)


def _mappings() -> None:
    op.create_table(
        "group_mappings",
        sa.Column("id", Id, nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("group_name", Key, nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("all_companies", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_mappings")),
        sa.UniqueConstraint("source", "group_name", name=op.f("uq_group_mappings_source_group_name")),
        sqlite_autoincrement=True,
    )
    for table, column, referred in (
        ("group_mapping_companies", "company_id", "companies"),
        ("group_mapping_company_groups", "group_id", "company_groups"),
    ):
        op.create_table(
            table,
            sa.Column("mapping_id", Id, nullable=False),
            sa.Column(column, Id, nullable=False),
            sa.ForeignKeyConstraint([column], [f"{referred}.{column}"], name=op.f(f"fk_{table}_{column}")),
            sa.ForeignKeyConstraint(
                ["mapping_id"], ["group_mappings.id"], name=op.f(f"fk_{table}_mapping_id"), ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint("mapping_id", column, name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
