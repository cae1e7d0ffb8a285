"""Company access: which companies and company groups a user may see.

Every user has access to all companies until an administrator limits it. Existing webhooks have no owner, so that
nothing limits them. `edited_at` is filled from the history.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant

revision = "0014"
down_revision = "0013"
oldest_program = "0014"


def upgrade() -> None:
    op.add_column("users", sa.Column("all_companies", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    for table, column, referred in (
        ("user_companies", "company_id", "companies"),
        ("user_company_groups", "group_id", "company_groups"),
    ):
        op.create_table(
            table,
            sa.Column("user_id", Id, nullable=False),
            sa.Column(column, Id, nullable=False),
            sa.ForeignKeyConstraint([column], [f"{referred}.{column}"], name=op.f(f"fk_{table}_{column}")),
            sa.ForeignKeyConstraint(
                ["user_id"], ["users.user_id"], name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint("user_id", column, name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    op.add_column("webhooks", sa.Column("owner_id", Id, nullable=True))
    op.add_column("issues", sa.Column("edited_at", Instant, nullable=True))
    op.execute(
        "UPDATE issues SET edited_at = (SELECT max(at) FROM events"
        " WHERE events.issue_id = issues.issue_id AND events.type = 'issue.updated')"
    )
