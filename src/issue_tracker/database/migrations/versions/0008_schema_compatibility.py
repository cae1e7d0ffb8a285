"""A schema declares which earlier programs may still run on it: `schema_compatibility` has one row."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
oldest_program = "0008"


def upgrade() -> None:
    op.create_table(
        "schema_compatibility",
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("oldest_program", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("row", name=op.f("pk_schema_compatibility")),
    )
