"""Saved views of the list of issues, and the one that a user begins with.

Earlier programs do not know the types of their events.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant, Key

revision = "0029"
down_revision = "0028"
oldest_program = "0029"


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("view_id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", Key, nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_saved_views_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("view_id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("user_id", "name_key", name=op.f("uq_saved_views_user_id_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_saved_views_shared", "saved_views", ["shared"], unique=False)
    op.create_table(
        "start_views",
        sa.Column("user_id", Id, autoincrement=False, nullable=False),
        sa.Column("view_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_start_views_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["view_id"], ["saved_views.view_id"], name=op.f("fk_start_views_view_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_start_views")),
    )
    op.create_index(op.f("ix_start_views_view_id"), "start_views", ["view_id"], unique=False)
