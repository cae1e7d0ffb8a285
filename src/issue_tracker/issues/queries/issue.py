"""Reads of one issue: its own columns, its assignments, and one of them."""

from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, bindparam, case, exists, func, not_, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.companies.queries import Company
from issue_tracker.company_access.queries import access_values, of_visible_company, of_visible_issue
from issue_tracker.database.prepared import Prepared, instant, iso
from issue_tracker.database.tables import assignments, companies, issues
from issue_tracker.database.types import Id
from issue_tracker.errors import NotFound
from issue_tracker.events.catalog import AssignmentTimes
from issue_tracker.integers import LARGEST_ID
from issue_tracker.issues.models import Issue, IssueHead, NamedAssignment, StoredFields, named_assignment
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.names import key, printable, storable
from issue_tracker.status import BITS, STATUSES, Status


def load_issue(tx: Connection, actor: Actor, issue_id: int, *, details: bool = False) -> Issue:
    """Returns the issue with all its assignments; with `details`, a DetailedIssue. Raises NotFound."""
    found = IssueList(tx, actor).load_by_id([issue_id], details=details) if 0 < issue_id <= LARGEST_ID else []
    if not found:
        raise _unknown()
    return found[0]


def load_shown_issue(tx: Connection, actor: Actor, issue_id: int) -> Issue:
    """Returns the issue for a page: its assignments are ShownAssignments. Raises NotFound."""
    found = IssueList(tx, actor).load_shown([issue_id]) if 0 < issue_id <= LARGEST_ID else []
    if not found:
        raise _unknown()
    return found[0]


def get_issue_head(tx: Connection, actor: Actor, name: str, *, lock: bool = False) -> IssueHead:
    """Returns the columns of the issue with this name, in any case. Raises NotFound, which quotes the name.

    With `lock`, concurrent changes to the issue wait until the transaction ends.
    """
    head = find_issue_head(tx, actor, name, lock=lock)
    if head is None:
        raise unknown_issue(name)
    return head


def unknown_issue(name: str) -> NotFound:
    """Returns the error for the name of no issue, which it quotes."""
    return NotFound(f"There is no issue called “{printable(name)}”.")


def find_issue_head_by_external_key(
    tx: Connection, actor: Actor, external_key: str, *, lock: bool = False
) -> IssueHead | None:
    """Like find_issue_head, by external key."""
    return _find_head(tx, actor, "external_key", external_key, lock=lock) if storable(external_key) else None


def find_issue_head(tx: Connection, actor: Actor, name: str, *, lock: bool = False) -> IssueHead | None:
    """Like get_issue_head, but returns None if there is no such issue."""
    return _find_head(tx, actor, "name_key", key(name), lock=lock) if storable(name) else None


def get_issue_head_by_id(tx: Connection, actor: Actor, issue_id: int, *, lock: bool = False) -> IssueHead:
    """Like get_issue_head, by id: for pages, because their links must survive a new name."""
    head = find_issue_head_by_id(tx, actor, issue_id, lock=lock)
    if head is None:
        raise _unknown()
    return head


def find_issue_head_by_id(tx: Connection, actor: Actor, issue_id: int, *, lock: bool = False) -> IssueHead | None:
    """Like get_issue_head_by_id, but returns None if there is no such issue."""
    return _find_head(tx, actor, "issue_id", issue_id, lock=lock) if 0 < issue_id <= LARGEST_ID else None


def get_assignment(tx: Connection, actor: Actor, issue: IssueHead, company_id: int) -> NamedAssignment:
    """Returns a company's assignment in an issue. Raises NotFound."""
    found = find_assignment(tx, actor, issue, company_id)
    if found is None:
        raise NotFound(f"This company is not assigned to “{issue.name}”.")
    return found


def find_assignment(tx: Connection, actor: Actor, issue: IssueHead, company_id: int) -> NamedAssignment | None:
    """Like get_assignment, but returns None if the company is not assigned to the issue."""
    require_helpdesk(actor)
    if not actor.company_access.allows(company_id):
        return None
    row = _assignment.row(tx, issue_id=issue.issue_id, company_id=company_id)
    if row is None:
        return None
    return named_assignment(
        assignment_id=row.assignment_id,
        issue_id=issue.issue_id,
        issue_name=issue.name,
        company_id=company_id,
        company_name=row.company_name,
        status=STATUSES[row.status],
        at=iso(row.updated_at),
    )


def find_status(tx: Connection, actor: Actor, issue_id: int, company_id: int) -> Status | None:
    """Returns the status of a company in an issue; None if it is not assigned."""
    require_helpdesk(actor)
    if not actor.company_access.allows(company_id):
        return None
    value = _status.scalar(tx, issue_id=issue_id, company_id=company_id)
    return None if value is None else STATUSES[value]


class Member(msgspec.Struct, frozen=True):
    """A company that is assigned to an issue, with its status there and its times."""

    company: Company
    status: Status
    times: AssignmentTimes


def find_member(tx: Connection, actor: Actor, issue_id: int, company: Company) -> Member | None:
    """Returns a company as a member of an issue; None if it is not assigned."""
    require_helpdesk(actor)
    if not actor.company_access.allows(company.company_id):
        return None
    row = _member.row(tx, issue_id=issue_id, company_id=company.company_id)
    if row is None:
        return None
    since = instant(row.updated_at if row.status_since is None else row.status_since)
    affected_since = None if row.affected_since is None else instant(row.affected_since)
    return Member(company, STATUSES[row.status], AssignmentTimes(since, affected_since))


def list_members(tx: Connection, actor: Actor, issue_id: int) -> list[Member]:
    """Returns the visible companies that are assigned to an issue, by name."""
    require_helpdesk(actor)
    query = (
        select(
            companies.c.company_id,
            companies.c.name,
            companies.c.archived,
            assignments.c.status,
            func.coalesce(assignments.c.status_since, assignments.c.updated_at).label("status_since"),
            assignments.c.affected_since,
        )
        .join(assignments, assignments.c.company_id == companies.c.company_id)
        .where(assignments.c.issue_id == issue_id)
        .order_by(companies.c.name_key, companies.c.company_id)
    )
    return [
        Member(
            company=Company(company_id=row.company_id, name=row.name, archived=bool(row.archived)),
            status=Status(row.status),
            times=AssignmentTimes(row.status_since, row.affected_since),
        )
        for row in tx.execute(query)
        if actor.company_access.allows(row.company_id)
    ]


def has_hidden_assignments(tx: Connection, actor: Actor, issue_id: int) -> bool:
    """Returns whether the issue has an assignment that the actor may not see."""
    if actor.company_access.all:
        return False
    visible = of_visible_company(assignments.c.company_id, tx.dialect.name)
    hidden = exists().where(assignments.c.issue_id == issue_id, not_(visible))
    return bool(tx.execute(select(hidden), access_values(tx, actor.company_access)).scalar_one())


def _find_head(tx: Connection, actor: Actor, column: str, value: str | int, *, lock: bool) -> IssueHead | None:
    require_helpdesk(actor)
    access = actor.company_access
    row = _head(column, lock=lock, limited=not access.all).row(tx, value=value, **access_values(tx, access))
    if row is None:
        return None
    fields = {name: getattr(row, name) for name in StoredFields.__struct_fields__}
    if row.next_update_at is not None:
        fields["next_update_at"] = instant(row.next_update_at)
    return IssueHead(
        issue_id=row.issue_id,
        name=row.name,
        description=row.description,
        fields=StoredFields(**fields),
        revision=row.revision,
        updated_at=instant(row.updated_at),
    )


@cache
def _head(column: str, *, lock: bool, limited: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        by = issues.c[column]
        columns = "issue_id", "name", "description", "revision", "updated_at", *StoredFields.__struct_fields__
        query = select(*(issues.c[name] for name in columns)).where(by == bindparam("value", type_=by.type))
        if limited:
            query = query.where(of_visible_issue(issues.c.issue_id, dialect))
        return query.with_for_update() if lock else query

    return Prepared(build)


_same_assignment = (
    assignments.c.issue_id == bindparam("issue_id", type_=Id),
    assignments.c.company_id == bindparam("company_id", type_=Id),
)
_status = Prepared(lambda _: select(assignments.c.status).where(*_same_assignment))
_member = Prepared(
    lambda _: select(
        assignments.c.status, assignments.c.updated_at, assignments.c.status_since, assignments.c.affected_since
    ).where(*_same_assignment)
)
_assignment = Prepared(
    lambda _: (
        select(
            assignments.c.assignment_id,
            companies.c.name.label("company_name"),
            assignments.c.status,
            assignments.c.updated_at,
        )
        .join(companies, companies.c.company_id == assignments.c.company_id)
        .where(*_same_assignment)
    )
)

_bit = case({status.value: bit for status, bit in BITS.items()}, value=assignments.c.status)
status_bits = (
    select(func.coalesce(func.sum(_bit.distinct()), 0))
    .where(assignments.c.issue_id == bindparam("issue_id", type_=Id))
    .scalar_subquery()
)
"""The bits of the statuses of all assignments of the issue `issue_id`, for the statement that stores them."""


def _unknown() -> NotFound:
    return NotFound("There is no such issue.")
