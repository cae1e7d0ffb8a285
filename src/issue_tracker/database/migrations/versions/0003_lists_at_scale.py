"""Lists that scale to a million assignments: counters (here “tallies”) for totals, and covering indexes with names."""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Key

revision = "0003"
down_revision = "0002"

BACKFILL = (
    "UPDATE assignments SET issue_key = (SELECT name_key FROM issues WHERE issues.issue_id = assignments.issue_id)",
    """
    UPDATE issues SET statuses = coalesce((
        SELECT sum(DISTINCT CASE status WHEN 'new' THEN 1 WHEN 'investigating' THEN 2 WHEN 'in_progress' THEN 4
                            WHEN 'monitoring' THEN 8 WHEN 'resolved' THEN 16 WHEN 'closed' THEN 32 END)
        FROM assignments WHERE assignments.issue_id = issues.issue_id), 0)
    """,
    "INSERT INTO issue_tallies (statuses, slot, issues) SELECT statuses, 0, count(*) FROM issues GROUP BY statuses",
    "INSERT INTO assignment_tallies (status, slot, assignments)"
    " SELECT status, 0, count(*) FROM assignments GROUP BY status",
)

TALLIES = (("issue", "statuses", "integer"), ("assignment", "status", "varchar"))
"""What is counted, and by which column: issues by their set of statuses, assignments by their status."""


def _sqlite(of: str, by: str, _: str) -> list[str]:
    add = f"""
        INSERT INTO {of}_tallies ({by}, slot, {of}s) VALUES (new.{by}, 0, 1)
        ON CONFLICT ({by}, slot) DO UPDATE SET {of}s = {of}s + 1;
    """
    subtract = f"UPDATE {of}_tallies SET {of}s = {of}s - 1 WHERE {by} = old.{by} AND slot = 0;"
    return [
        f"CREATE TRIGGER {of}_tally_insert AFTER INSERT ON {of}s BEGIN {add} END",
        f"CREATE TRIGGER {of}_tally_update AFTER UPDATE OF {by} ON {of}s WHEN old.{by} <> new.{by}"
        f" BEGIN {subtract} {add} END",
        f"CREATE TRIGGER {of}_tally_delete AFTER DELETE ON {of}s BEGIN {subtract} END",
    ]


def _postgresql(of: str, by: str, type_: str) -> list[str]:
    # Any unlocked row is suitable; if all are locked, one is added, so that no writer waits (docs/decisions/0011).
    return [
        f"CREATE SEQUENCE {of}_tallies_slot_seq",
        f"""
        CREATE FUNCTION tally_{of}(wanted {type_}, change integer) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE {of}_tallies t SET {of}s = t.{of}s + change
            FROM (SELECT {by}, slot FROM {of}_tallies WHERE {by} = wanted LIMIT 1 FOR UPDATE SKIP LOCKED) free
            WHERE t.{by} = free.{by} AND t.slot = free.slot;
            IF NOT FOUND THEN
                INSERT INTO {of}_tallies ({by}, slot, {of}s)
                VALUES (wanted, nextval('{of}_tallies_slot_seq'), change);
            END IF;
        END $$
        """,
        f"""
        CREATE FUNCTION tally_{of}s() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'INSERT' THEN PERFORM tally_{of}(old.{by}, -1); END IF;
            IF TG_OP <> 'DELETE' THEN PERFORM tally_{of}(new.{by}, 1); END IF;
            RETURN NULL;
        END $$
        """,
        f"CREATE TRIGGER {of}_tally AFTER INSERT OR DELETE ON {of}s FOR EACH ROW EXECUTE FUNCTION tally_{of}s()",
        f"""
        CREATE TRIGGER {of}_tally_update AFTER UPDATE OF {by} ON {of}s FOR EACH ROW
        WHEN (old.{by} <> new.{by}) EXECUTE FUNCTION tally_{of}s()
        """,
    ]


def upgrade() -> None:
    op.add_column("issues", sa.Column("statuses", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("assignments", sa.Column("issue_key", Key, nullable=False, server_default=sa.text("''")))
    op.create_table(
        "issue_tallies",
        sa.Column("statuses", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slot", Id, autoincrement=False, nullable=False),
        sa.Column("issues", Id, nullable=False),
        sa.PrimaryKeyConstraint("statuses", "slot", name=op.f("pk_issue_tallies")),
    )
    op.create_table(
        "assignment_tallies",
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("slot", Id, autoincrement=False, nullable=False),
        sa.Column("assignments", Id, nullable=False),
        sa.PrimaryKeyConstraint("status", "slot", name=op.f("pk_assignment_tallies")),
    )
    for statement in BACKFILL:
        op.execute(statement)
    op.create_index(
        "ix_assignments_company_id_issue_key",
        "assignments",
        ["company_id", "issue_key", "issue_id", "status"],
        unique=False,
    )
    op.create_index("ix_assignments_status_issue_key", "assignments", ["status", "issue_key", "issue_id"], unique=False)
    op.drop_index("ix_assignments_status_issue_id", table_name="assignments")
    triggers = _sqlite if op.get_bind().dialect.name == "sqlite" else _postgresql
    for tally in TALLIES:
        for statement in triggers(*tally):
            op.execute(statement)
