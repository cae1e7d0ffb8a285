"""Gives the counter tables standard names, and names the changed field in `issue.updated` events.

`issue_tallies` and `assignment_tallies`, each spread over slots, are replaced by `issue_counters` and
`assignment_counters`, each spread over shards.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id

revision = "0005"
down_revision = "0004"

COUNTERS = (("issue", "statuses", "integer"), ("assignment", "status", "varchar"))
"""What is counted, and by which column: issues by their set of statuses, assignments by their status."""

EVENT_FIELDS = (
    "UPDATE events SET field = 'name' WHERE type = 'issue.updated' AND from_value IS NOT NULL",
    "UPDATE events SET field = 'description'"
    " WHERE type = 'issue.updated' AND from_value IS NULL AND note = 'description'",
)
"""Both statements use the index on `type`, so that a long history of other events costs nothing."""


def _drop_sqlite(of: str, _: str) -> list[str]:
    return [f"DROP TRIGGER {of}_tally_{change}" for change in ("insert", "update", "delete")]


def _drop_postgresql(of: str, type_: str) -> list[str]:
    return [
        f"DROP TRIGGER {of}_tally ON {of}s",
        f"DROP TRIGGER {of}_tally_update ON {of}s",
        f"DROP FUNCTION tally_{of}s()",
        f"DROP FUNCTION tally_{of}({type_}, integer)",
        f"DROP SEQUENCE {of}_tallies_slot_seq",
    ]


def _create_sqlite(of: str, by: str, _: str) -> list[str]:
    add = f"""
        INSERT INTO {of}_counters ({by}, shard, {of}s) VALUES (new.{by}, 0, 1)
        ON CONFLICT ({by}, shard) DO UPDATE SET {of}s = {of}s + 1;
    """
    subtract = f"UPDATE {of}_counters SET {of}s = {of}s - 1 WHERE {by} = old.{by} AND shard = 0;"
    return [
        f"CREATE TRIGGER {of}_counter_insert AFTER INSERT ON {of}s BEGIN {add} END",
        f"CREATE TRIGGER {of}_counter_update AFTER UPDATE OF {by} ON {of}s WHEN old.{by} <> new.{by}"
        f" BEGIN {subtract} {add} END",
        f"CREATE TRIGGER {of}_counter_delete AFTER DELETE ON {of}s BEGIN {subtract} END",
    ]


def _create_postgresql(of: str, by: str, type_: str) -> list[str]:
    # Any shard that no other transaction has locked is suitable. If all are locked, a new shard is added, so that no
    # writer waits. The shard is chosen in a separate statement (docs/decisions/0011).
    return [
        f"CREATE SEQUENCE {of}_counters_shard_seq",
        f"""
        CREATE FUNCTION change_{of}_counter(counted {type_}, change integer) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
            free bigint;
        BEGIN
            SELECT shard INTO free FROM {of}_counters WHERE {by} = counted LIMIT 1 FOR UPDATE SKIP LOCKED;
            IF FOUND THEN
                UPDATE {of}_counters SET {of}s = {of}s + change WHERE {by} = counted AND shard = free;
            ELSE
                INSERT INTO {of}_counters ({by}, shard, {of}s)
                VALUES (counted, nextval('{of}_counters_shard_seq'), change);
            END IF;
        END $$
        """,
        f"""
        CREATE FUNCTION count_{of}s() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'INSERT' THEN PERFORM change_{of}_counter(old.{by}, -1); END IF;
            IF TG_OP <> 'DELETE' THEN PERFORM change_{of}_counter(new.{by}, 1); END IF;
            RETURN NULL;
        END $$
        """,
        f"CREATE TRIGGER {of}_counter AFTER INSERT OR DELETE ON {of}s FOR EACH ROW EXECUTE FUNCTION count_{of}s()",
        f"""
        CREATE TRIGGER {of}_counter_update AFTER UPDATE OF {by} ON {of}s FOR EACH ROW
        WHEN (old.{by} <> new.{by}) EXECUTE FUNCTION count_{of}s()
        """,
    ]


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    # Dropping the triggers first locks out writers on PostgreSQL, so that the counts do not change meanwhile.
    for of, _, type_ in COUNTERS:
        for statement in (_drop_sqlite if sqlite else _drop_postgresql)(of, type_):
            op.execute(statement)
    op.create_table(
        "issue_counters",
        sa.Column("statuses", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("shard", Id, autoincrement=False, nullable=False),
        sa.Column("issues", Id, nullable=False),
        sa.PrimaryKeyConstraint("statuses", "shard", name=op.f("pk_issue_counters")),
    )
    op.create_table(
        "assignment_counters",
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("shard", Id, autoincrement=False, nullable=False),
        sa.Column("assignments", Id, nullable=False),
        sa.PrimaryKeyConstraint("status", "shard", name=op.f("pk_assignment_counters")),
    )
    for of, by, type_ in COUNTERS:
        op.execute(f"INSERT INTO {of}_counters SELECT {by}, 0, sum({of}s) FROM {of}_tallies GROUP BY {by}")
        op.drop_table(f"{of}_tallies")
        for statement in (_create_sqlite if sqlite else _create_postgresql)(of, by, type_):
            op.execute(statement)
    op.add_column("events", sa.Column("field", sa.Text(), nullable=True))
    for statement in EVENT_FIELDS:
        op.execute(statement)
