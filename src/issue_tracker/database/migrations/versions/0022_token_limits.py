"""Service accounts; the networks and the company access of tokens.

Existing tokens are accepted from every address, and have their owners' access. Programs that do not know the new
columns would ignore these limits, so they must not run on this schema.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id

revision = "0022"
down_revision = "0021"
oldest_program = "0022"


def upgrade() -> None:
    op.add_column("users", sa.Column("service_account", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("tokens", sa.Column("networks", sa.Text(), nullable=True))
    op.add_column("tokens", sa.Column("all_companies", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    for table, column, referred in (
        ("token_companies", "company_id", "companies"),
        ("token_company_groups", "group_id", "company_groups"),
    ):
        op.create_table(
            table,
            sa.Column("token_id", Id, nullable=False),
            sa.Column(column, Id, nullable=False),
            sa.ForeignKeyConstraint([column], [f"{referred}.{column}"], name=op.f(f"fk_{table}_{column}")),
            sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f(f"fk_{table}_token_id"), ondelete="CASCADE"),
            sa.PrimaryKeyConstraint("token_id", column, name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
