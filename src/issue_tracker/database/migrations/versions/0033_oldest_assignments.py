"""An index of the assignments of a company by status and time. It replaces the one without the time."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
oldest_program = "0031"


def upgrade() -> None:
    columns = ["company_id", "status", "updated_at", "issue_id"]
    op.create_index("ix_assignments_company_id_status_updated_at", "assignments", columns)
    op.drop_index("ix_assignments_company_id_status", "assignments")
    connection = op.get_bind()
    # SQLite would prefer an index without statistics to those that have some.
    if connection.dialect.name == "sqlite" and sa.inspect(connection).has_table("sqlite_stat1"):
        op.execute("ANALYZE assignments")
