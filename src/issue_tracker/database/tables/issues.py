"""Companies, issues and assignments."""

from collections.abc import Iterable

from sqlalchemy import Boolean, ColumnElement, Integer, String, Text, literal, text
from sqlalchemy.schema import Column, ForeignKey, Index, Table, UniqueConstraint

from issue_tracker.database.tables.indexes import partial, trigrams
from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Instant, Key
from issue_tracker.status import OPEN, Status

UNFINISHED = "(statuses = 0 OR (statuses & 48) <> statuses)"
"""The condition that an issue has an assignment that is neither resolved nor closed, or no assignment. 48 is the sum of
the bits of these two statuses (issue_tracker.status), which never change.
"""


companies = Table(
    "companies",
    metadata,
    Column("company_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False, unique=True),
    Column("archived", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

issues = Table(
    "issues",
    metadata,
    Column("issue_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False, unique=True),
    Column("description", Text),
    Column("description_key", Key, nullable=False),
    # +1 at every change to the issue, its assignments, or the name of an assigned company: ETag and cache key.
    Column("revision", Integer, nullable=False),
    # The statuses that occur among its assignments (status.mask). Triggers count them in `issue_counters`.
    Column("statuses", Integer, nullable=False, server_default="0"),
    Column("severity", String(20)),
    # A user's id. Users are never deleted.
    Column("owner_id", Id),
    Column("next_update_at", Instant),
    # Lists as JSON (issues/fields.py), null if empty. `issue_tags` and `issue_references` make them searchable.
    Column("tags", Text),
    Column("refs", Text),
    Column("external_key", Key),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    # When name or description were last changed; null: never. To an actor with limited company access, `updated_at` is
    # the latest of this and of the times of the assignments that they may see (docs/decisions/0024).
    Column("edited_at", Instant),
    Index("ix_issues_name_key_issue_id", "name_key", "issue_id", "revision"),
    Index("ix_issues_updated_at_issue_id", "updated_at", "issue_id"),
    Index("ix_issues_created_at_issue_id", "created_at", "issue_id"),
    Index("ix_issues_owner_id_name_key", "owner_id", "name_key", "issue_id"),
    partial("ix_issues_external_key", "external_key", where="external_key IS NOT NULL", unique=True),
    partial("ix_issues_severity_name_key", "severity", "name_key", "issue_id", where="severity IS NOT NULL"),
    partial("ix_issues_next_update_at", "next_update_at", where="next_update_at IS NOT NULL"),
    # The order “needs attention” (issues/queries/attention.py): unfinished issues, without and with an owner.
    partial("ix_issues_unowned_updated_at", "updated_at", "issue_id", where=f"owner_id IS NULL AND {UNFINISHED}"),
    partial("ix_issues_owned_updated_at", "updated_at", "issue_id", where=f"owner_id IS NOT NULL AND {UNFINISHED}"),
    trigrams("ix_issues_search", "name_key", "description_key"),
    sqlite_autoincrement=True,
)

assignments = Table(
    "assignments",
    metadata,
    Column("assignment_id", Id, primary_key=True),
    Column("issue_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), nullable=False),
    Column("company_id", Id, ForeignKey("companies.company_id"), nullable=False),
    # A copy of the issue's name_key, so that the list of a company or a status is read in order from one index.
    Column("issue_key", Key, nullable=False, server_default=text("''")),
    Column("status", String(20), nullable=False),
    Column("owner_id", Id),
    Column("refs", Text),
    # Since when it has its status, and since when it has been open without a break; null if it is not open. Unlike
    # `updated_at`, both are restored by an undo. If `status_since` is null, an earlier program wrote the row, and
    # `updated_at` takes its place.
    Column("status_since", Instant),
    Column("affected_since", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("issue_id", "company_id"),
    # Also the oldest assignments of a company, for the order “needs attention” (queries/limited_attention.py).
    Index("ix_assignments_company_id_status_updated_at", "company_id", "status", "updated_at", "issue_id"),
    Index("ix_assignments_company_id_issue_key", "company_id", "issue_key", "issue_id", "status"),
    Index("ix_assignments_status_issue_key", "status", "issue_key", "issue_id"),
    partial("ix_assignments_affected_since", "affected_since", "assignment_id", where="affected_since IS NOT NULL"),
    partial("ix_assignments_owner_id", "owner_id", "issue_id", "company_id", where="owner_id IS NOT NULL"),
    sqlite_autoincrement=True,
)


def in_status(statuses: Iterable[Status]) -> ColumnElement[bool]:
    """The condition that an assignment has one of these statuses, which are constants of the statement."""
    return assignments.c.status.in_([literal(status.value) for status in statuses])


is_open = in_status(OPEN)
"""The condition that an assignment is neither resolved nor closed."""

# The indexes that find issues by their tags and references, and by the references of their assignments: copies of
# `tags` and `refs`.
issue_tags = Table(
    "issue_tags",
    metadata,
    Column("tag_key", Key, primary_key=True),
    Column("issue_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), primary_key=True, index=True),
)

issue_references = Table(
    "issue_references",
    metadata,
    Column("reference_key", Key, primary_key=True),
    Column("issue_id", Id, ForeignKey("issues.issue_id", ondelete="CASCADE"), primary_key=True, index=True),
)

assignment_references = Table(
    "assignment_references",
    metadata,
    Column("reference_key", Key, primary_key=True),
    Column(
        "assignment_id",
        Id,
        ForeignKey("assignments.assignment_id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
)

# How many issues have which set of statuses, for totals without a scan (docs/decisions/0011). Triggers on `issues`
# update it.
issue_counters = Table(
    "issue_counters",
    metadata,
    Column("statuses", Integer, primary_key=True, autoincrement=False),
    Column("shard", Id, primary_key=True, autoincrement=False),
    Column("issues", Id, nullable=False),
)

# How many assignments have each status, in the same way. Triggers on `assignments` update it.
assignment_counters = Table(
    "assignment_counters",
    metadata,
    Column("status", String(20), primary_key=True),
    Column("shard", Id, primary_key=True, autoincrement=False),
    Column("assignments", Id, nullable=False),
)
