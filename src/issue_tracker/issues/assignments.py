"""Changes to the assignments of an issue, and the steps that they share with other operations on issues.

An operation (`set_status`, `unassign`) locks the issue first, and records its events. A step (`assign`, `add`,
`change_statuses`, `touch_issue`) only writes, and returns the changes for the operation to record.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, case, delete, func, insert, select, update

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.companies.queries import Company
from issue_tracker.database.prepared import Prepared, among, numbers
from issue_tracker.database.tables import assignments, issues
from issue_tracker.database.types import Id
from issue_tracker.errors import FieldError, Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.record import record
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import find_status, list_members
from issue_tracker.names import key
from issue_tracker.status import BITS, Status


class NewAssignment(msgspec.Struct, frozen=True):
    """A company to assign. Without a status it becomes new, or keeps the status that it has in the issue."""

    company: Company
    status: Status | None = None


def set_status(
    tx: Connection, actor: Actor, issue: IssueHead, company: Company, status: Status, note: str | None = None
) -> IssueHead:
    """Sets the status of a company in an issue, and returns the issue as it is then. A company that is not assigned is
    assigned with this status.

    `issue` must have been read with a lock in this transaction. Raises Invalid when an archived company would have
    to be assigned.
    """
    require_helpdesk(actor)
    at = issue.time_of_change()
    subject = Subject(issue.issue_id, issue.name)
    current = find_status(tx, actor, issue.issue_id, company.company_id)
    if current is None:
        changes = assign(tx, subject, [(company, status)], at, "company_name", note)
    elif current is status:
        return issue
    else:
        changes = change_statuses(tx, subject, [(company, current)], status, at, note)
    touched = touch_issue(tx, issue, at)
    record(tx, actor, changes, at)
    return touched


def unassign(tx: Connection, actor: Actor, issue: IssueHead, company: Company) -> IssueHead:
    """Removes a company from an issue, and returns the issue as it is then. Raises NotFound when it is not assigned.

    `issue` must have been read with a lock in this transaction.
    """
    require_helpdesk(actor)
    removed = tx.execute(
        delete(assignments)
        .where(assignments.c.issue_id == issue.issue_id, assignments.c.company_id == company.company_id)
        .returning(assignments.c.status)
    ).scalar_one_or_none()
    if removed is None:
        raise NotFound(f"“{company.name}” is not assigned to “{issue.name}”.")
    at = issue.time_of_change()
    touched = touch_issue(tx, issue, at)
    change = Change(
        type=EventType.ASSIGNMENT_DELETED,
        issue=Subject(issue.issue_id, issue.name),
        company=Subject(company.company_id, company.name),
        before=removed,
    )
    record(tx, actor, [change], at)
    return touched


def add(
    tx: Connection, actor: Actor, issue: Subject, members: Sequence[NewAssignment], at: datetime, field: str
) -> list[Change]:
    """Assigns the companies that are not assigned yet. The others take the status that is given for them, if any.

    Raises Invalid, on `field`, when an archived company would have to be assigned.
    """
    if not members:
        return []
    assert issue.id is not None
    current = {member.company.company_id: member.status for member in list_members(tx, actor, issue.id)}
    new = [member for member in members if member.company.company_id not in current]
    changes = assign(tx, issue, [(member.company, member.status or Status.NEW) for member in new], at, field)
    for member in members:
        before = current.get(member.company.company_id)
        if before is not None and member.status is not None and member.status is not before:
            changes += change_statuses(tx, issue, [(member.company, before)], member.status, at, None)
    return changes


def assign(
    tx: Connection,
    issue: Subject,
    chosen: Sequence[tuple[Company, Status]],
    at: datetime,
    field: str,
    note: str | None = None,
) -> list[Change]:
    """Assigns companies that are not assigned to the issue yet. Raises Invalid, on `field`, for archived ones."""
    refuse_archived([company for company, _ in chosen], field)
    if chosen:
        tx.execute(
            insert(assignments),
            [
                {
                    "issue_id": issue.id,
                    "company_id": company.company_id,
                    "issue_key": key(issue.name),
                    "status": status.value,
                    "created_at": at,
                    "updated_at": at,
                }
                for company, status in chosen
            ],
        )
    return [
        Change(
            type=EventType.ASSIGNMENT_CREATED,
            issue=issue,
            company=Subject(company.company_id, company.name),
            after=status.value,
            note=note,
        )
        for company, status in chosen
    ]


def change_statuses(
    tx: Connection,
    issue: Subject,
    members: Sequence[tuple[Company, Status]],
    status: Status,
    at: datetime,
    note: str | None,
) -> list[Change]:
    """Sets the status of assigned companies, which are given with the status that they have now."""
    if not members:
        return []
    ids = numbers(tx, [company.company_id for company, _ in members])
    _set_status.run(tx, issue_id=issue.id, companies=ids, status=status.value, updated_at=at)
    return [
        Change(
            type=EventType.ASSIGNMENT_STATUS_CHANGED,
            issue=issue,
            company=Subject(company.company_id, company.name),
            before=before.value,
            after=status.value,
            note=note,
        )
        for company, before in members
    ]


def touch_issue(tx: Connection, issue: IssueHead, at: datetime) -> IssueHead:
    """Sets the issue's time of change, revision and statuses: the last step of every change to its assignments.

    `issue` must have been read with a lock in this transaction. Returns it with its new time and revision.
    """
    _touch.run(tx, issue_id=issue.issue_id, at=at)
    return msgspec.structs.replace(issue, revision=issue.revision + 1, updated_at=at)


def refuse_archived(companies: Sequence[Company], field: str) -> None:
    """Raises Invalid, on `field`, if a company is archived: it takes no new assignments (contract, section 6)."""
    archived = [f"“{company.name}”" for company in companies if company.archived]
    if archived:
        are = "is archived and takes" if len(archived) == 1 else "are archived and take"
        raise Invalid.field(field, f"{', '.join(archived)} {are} no new assignments")


def refuse_repeated(companies: Sequence[Company], field: str, part: str = "") -> None:
    """Raises Invalid if a company is listed twice, on `field[1].part` and so on."""
    seen: set[int] = set()
    repeated = []
    for index, company in enumerate(companies):
        if company.company_id in seen:
            repeated.append(FieldError(f"{field}[{index}]{part}", f"“{company.name}” is listed twice"))
        seen.add(company.company_id)
    if repeated:
        raise Invalid.of(repeated)


_of_issue = assignments.c.issue_id == bindparam("issue_id", type_=Id)
_set_status = Prepared(
    lambda dialect: (
        update(assignments)
        .where(_of_issue, among(assignments.c.company_id, "companies", dialect))
        .values(
            status=bindparam("status", type_=assignments.c.status.type),
            updated_at=bindparam("updated_at", type_=assignments.c.updated_at.type),
        )
    )
)
_bit = case({status.value: bit for status, bit in BITS.items()}, value=assignments.c.status)
_touch = Prepared(
    lambda _: (
        update(issues)
        .where(issues.c.issue_id == bindparam("issue_id", type_=Id))
        .values(
            updated_at=bindparam("at", type_=issues.c.updated_at.type),
            revision=issues.c.revision + 1,
            statuses=select(func.coalesce(func.sum(_bit.distinct()), 0)).where(_of_issue).scalar_subquery(),
        )
    )
)
