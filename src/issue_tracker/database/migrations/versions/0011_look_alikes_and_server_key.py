"""Look-alike keys of names (`look_alikes`), and a server key that several servers can share (`server_key`)."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Key
from issue_tracker.looks import look_alike_key

revision = "0011"
down_revision = "0010"
oldest_program = "0011"

BATCH = 5_000
"""Number of names that are in memory at the same time."""

NAMED = (("issue", "issues", "issue_id"), ("company", "companies", "company_id"), ("user", "users", "user_id"))


def upgrade() -> None:
    op.create_table(
        "look_alikes",
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("look_alike_key", Key, nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_look_alikes")),
    )
    for kind, table, id_ in NAMED:
        _fill(kind, table, id_)
    op.create_index("ix_look_alikes_kind_look_alike_key", "look_alikes", ["kind", "look_alike_key"])
    op.create_table(
        "server_key",
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("row", name=op.f("pk_server_key")),
    )


def _fill(kind: str, table: str, id_: str) -> None:
    connection = op.get_bind()
    last = 0
    page = sa.text(f"SELECT {id_}, name FROM {table} WHERE {id_} > :last ORDER BY {id_} LIMIT {BATCH}")
    stored = sa.text("INSERT INTO look_alikes (kind, id, look_alike_key) VALUES (:kind, :id, :look_alike_key)")
    while rows := connection.execute(page, {"last": last}).all():
        connection.execute(
            stored, [{"kind": kind, "id": row[0], "look_alike_key": look_alike_key(row[1])} for row in rows]
        )
        last = rows[-1][0]
