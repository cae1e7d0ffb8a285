"""Lists that cost the same at a million assignments: tallies for totals, and names beside company and status."""

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
)

SQLITE_TALLIES = (
    """
    CREATE TRIGGER issue_tally_insert AFTER INSERT ON issues BEGIN
        INSERT INTO issue_tallies (statuses, slot, issues) VALUES (new.statuses, 0, 1)
        ON CONFLICT (statuses, slot) DO UPDATE SET issues = issues + 1;
    END
    """,
    """
    CREATE TRIGGER issue_tally_update AFTER UPDATE OF statuses ON issues WHEN old.statuses <> new.statuses BEGIN
        UPDATE issue_tallies SET issues = issues - 1 WHERE statuses = old.statuses AND slot = 0;
        INSERT INTO issue_tallies (statuses, slot, issues) VALUES (new.statuses, 0, 1)
        ON CONFLICT (statuses, slot) DO UPDATE SET issues = issues + 1;
    END
    """,
    """
    CREATE TRIGGER issue_tally_delete AFTER DELETE ON issues BEGIN
        UPDATE issue_tallies SET issues = issues - 1 WHERE statuses = old.statuses AND slot = 0;
    END
    """,
)

POSTGRESQL_TALLIES = (
    "CREATE SEQUENCE issue_tallies_slot_seq",
    # Any row that nobody holds will do; when all are held, another one: nobody waits (docs/decisions/0011).
    """
    CREATE FUNCTION tally_issue(wanted integer, change integer) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE issue_tallies t SET issues = t.issues + change
        FROM (SELECT statuses, slot FROM issue_tallies WHERE statuses = wanted LIMIT 1 FOR UPDATE SKIP LOCKED) free
        WHERE t.statuses = free.statuses AND t.slot = free.slot;
        IF NOT FOUND THEN
            INSERT INTO issue_tallies (statuses, slot, issues)
            VALUES (wanted, nextval('issue_tallies_slot_seq'), change);
        END IF;
    END $$
    """,
    """
    CREATE FUNCTION tally_issues() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' THEN PERFORM tally_issue(old.statuses, -1); END IF;
        IF TG_OP <> 'DELETE' THEN PERFORM tally_issue(new.statuses, 1); END IF;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER issue_tally AFTER INSERT OR DELETE ON issues FOR EACH ROW EXECUTE FUNCTION tally_issues()",
    """
    CREATE TRIGGER issue_tally_update AFTER UPDATE OF statuses ON issues FOR EACH ROW
    WHEN (old.statuses <> new.statuses) EXECUTE FUNCTION tally_issues()
    """,
)


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
    for statement in SQLITE_TALLIES if op.get_bind().dialect.name == "sqlite" else POSTGRESQL_TALLIES:
        op.execute(statement)
