"""Owner, next update, tags, references and external key of issues; owner, references and times of assignments.

The times are computed from the history or, if it does not contain them, taken from the assignment itself.
"""

import sqlalchemy as sa
from alembic import op

from issue_tracker.database.types import Id, Instant, Key

revision = "0018"
down_revision = "0017"
oldest_program = "0018"

# Issues show the name of their owner, and their revision changes with everything that they show.
OWNED = "owner_id = new.user_id OR issue_id IN (SELECT issue_id FROM assignments WHERE owner_id = new.user_id)"
TOUCH = f"UPDATE issues SET revision = revision + 1 WHERE {OWNED}"
SQLITE = (f"CREATE TRIGGER user_renamed AFTER UPDATE OF name ON users WHEN old.name <> new.name BEGIN {TOUCH}; END",)
POSTGRESQL = (
    f"CREATE FUNCTION touch_owned_issues() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {TOUCH}; RETURN NULL; END $$",
    "CREATE TRIGGER user_renamed AFTER UPDATE OF name ON users FOR EACH ROW"
    " WHEN (old.name <> new.name) EXECUTE FUNCTION touch_owned_issues()",
)

UNFINISHED = "(statuses = 0 OR (statuses & 48) <> statuses)"


def upgrade() -> None:
    for table, columns in (
        (
            "issues",
            (
                ("owner_id", Id),
                ("next_update_at", Instant),
                ("tags", sa.Text()),
                ("refs", sa.Text()),
                ("external_key", Key),
            ),
        ),
        (
            "assignments",
            (("owner_id", Id), ("refs", sa.Text()), ("status_since", Instant), ("affected_since", Instant)),
        ),
        ("events", (("undoes", sa.Text()), ("status_since", Instant), ("affected_since", Instant))),
    ):
        for name, type_ in columns:
            op.add_column(table, sa.Column(name, type_, nullable=True))
    op.execute("UPDATE assignments SET status_since = updated_at")
    op.execute(
        "UPDATE assignments SET affected_since = coalesce("
        "(SELECT max(at) FROM events WHERE events.issue_id = assignments.issue_id"
        " AND events.company_id = assignments.company_id AND (events.type = 'assignment.created'"
        " OR (events.type = 'assignment.status_changed' AND events.from_value IN ('resolved', 'closed')))), created_at)"
        " WHERE status NOT IN ('resolved', 'closed')"
    )
    for table, text, referring, referred in (
        ("issue_tags", "tag_key", "issue_id", "issues"),
        ("issue_references", "reference_key", "issue_id", "issues"),
        ("assignment_references", "reference_key", "assignment_id", "assignments"),
    ):
        op.create_table(
            table,
            sa.Column(text, Key, nullable=False),
            sa.Column(referring, Id, nullable=False),
            sa.ForeignKeyConstraint(
                [referring], [f"{referred}.{referring}"], name=op.f(f"fk_{table}_{referring}"), ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint(text, referring, name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_{referring}"), table, [referring], unique=False)
    op.create_index("ix_issues_owner_id_name_key", "issues", ["owner_id", "name_key", "issue_id"], unique=False)
    for name, table, columns_of, where in (
        ("ix_issues_severity_name_key", "issues", ["severity", "name_key", "issue_id"], "severity IS NOT NULL"),
        ("ix_issues_next_update_at", "issues", ["next_update_at"], "next_update_at IS NOT NULL"),
        ("ix_issues_unowned_updated_at", "issues", ["updated_at", "issue_id"], f"owner_id IS NULL AND {UNFINISHED}"),
        ("ix_issues_owned_updated_at", "issues", ["updated_at", "issue_id"], f"owner_id IS NOT NULL AND {UNFINISHED}"),
        ("ix_assignments_owner_id", "assignments", ["owner_id", "issue_id", "company_id"], "owner_id IS NOT NULL"),
    ):
        op.create_index(
            name, table, columns_of, unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
    given = sa.text("external_key IS NOT NULL")
    op.create_index(
        "ix_issues_external_key", "issues", ["external_key"], unique=True, sqlite_where=given, postgresql_where=given
    )
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
