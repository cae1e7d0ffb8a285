"""Operations on the assignments of an issue, and the steps that they share with other operations on issues.

An operation (`set_status`, `unassign`) changes an issue that its caller has locked, and records its events. A step
(`assign`, `add`, `change_statuses`, `touch_issue`) only writes, and returns the changes for the operation to record.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, null, update

from issue_tracker.actor import ALL_COMPANIES, Actor, require_helpdesk
from issue_tracker.companies.queries import Company, lock_for_assignment
from issue_tracker.database.prepared import Prepared, among, numbers
from issue_tracker.database.tables import assignments, issues
from issue_tracker.database.types import Id
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.catalog import AssignmentTimes, Change, EventType, Subject
from issue_tracker.events.record import record
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import Member, find_member, list_members, status_bits
from issue_tracker.names import key
from issue_tracker.status import Status


class Restored(msgspec.Struct, frozen=True):
    """What an undo restores: the times of assignments by company id. `request_id` is the request that is undone."""

    request_id: str | None = None
    times: Mapping[int, AssignmentTimes] = {}


NOTHING = Restored()
"""For a change that undoes nothing."""


class NewAssignment(msgspec.Struct, frozen=True):
    """A company to assign. Without a status, it gets the status new, or keeps its present status in the issue."""

    company: Company
    status: Status | None = None


def set_status(
    tx: Connection, actor: Actor, issue: IssueHead, company: Company, status: Status, note: str | None = None
) -> IssueHead:
    """Sets the status of a company in an issue, and returns the changed issue. A company that is not assigned is
    assigned with this status.

    `issue` must have been read with a lock in this transaction. Raises Invalid if an archived company would have to be
    assigned.
    """
    require_helpdesk(actor)
    at = issue.time_of_change()
    subject = Subject(issue.issue_id, issue.name)
    current = find_member(tx, actor, issue.issue_id, company)
    if current is None:
        changes = assign(tx, subject, [(company, status)], at, "company_name", note)
    elif current.status is status:
        return issue
    else:
        changes = change_statuses(tx, subject, [current], status, at, note)
    touched = touch_issue(tx, issue, at)
    record(tx, actor, changes, at)
    return touched


def unassign(
    tx: Connection,
    actor: Actor,
    issue: IssueHead,
    company: Company,
    note: str | None = None,
    *,
    undoes: str | None = None,
) -> IssueHead:
    """Removes a company from an issue, and returns the changed issue. Raises NotFound if it is not assigned.

    `undoes` is the request whose change this undoes. `issue` must have been read with a lock in this transaction.
    """
    require_helpdesk(actor)
    removed = find_member(tx, actor, issue.issue_id, company)
    if removed is None:
        raise NotFound(f"“{company.name}” is not assigned to “{issue.name}”.")
    same = assignments.c.issue_id == issue.issue_id, assignments.c.company_id == company.company_id
    tx.execute(delete(assignments).where(*same))
    at = issue.time_of_change()
    touched = touch_issue(tx, issue, at)
    change = Change(
        type=EventType.ASSIGNMENT_DELETED,
        issue=Subject(issue.issue_id, issue.name),
        company=Subject(company.company_id, company.name),
        before=removed.status,
        times=removed.times,
        undoes=undoes,
        note=note,
    )
    record(tx, actor, [change], at)
    return touched


def add(
    tx: Connection, actor: Actor, issue: Subject, members: Sequence[NewAssignment], at: datetime, field: str
) -> list[Change]:
    """Assigns those of the companies that are not assigned yet; sets the given statuses of the others.

    Raises Invalid for `field` if an archived company would have to be assigned.
    """
    if not members:
        return []
    assert issue.id is not None
    current = {member.company.company_id: member for member in list_members(tx, actor, issue.id)}
    new = [member for member in members if member.company.company_id not in current]
    changes = assign(tx, issue, [(member.company, member.status or Status.NEW) for member in new], at, field)
    for member in members:
        before = current.get(member.company.company_id)
        if before is not None and member.status is not None and member.status is not before.status:
            changes += change_statuses(tx, issue, [before], member.status, at, None)
    return changes


def assign(
    tx: Connection,
    issue: Subject,
    chosen: Sequence[tuple[Company, Status]],
    at: datetime,
    field: str,
    note: str | None = None,
    *,
    restored: Restored = NOTHING,
    archived: bool = False,
) -> list[Change]:
    """Assigns companies that are not assigned to the issue yet. Raises Invalid for `field` if one is archived, possibly
    since it was read, unless `archived` is set.

    `restored` as for `change_statuses`; without a request id, its times are those of assignments that are merged.
    """
    if not archived:
        held = lock_for_assignment(tx, ALL_COMPANIES, [company for company, _ in chosen])
        # The foreign key refuses a company that was deleted meanwhile.
        chosen = [(held.get(company.company_id, company), status) for company, status in chosen]
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
                    "status_since": times.status_since,
                    "affected_since": times.affected_since,
                    "created_at": at,
                    "updated_at": at,
                }
                for company, status in chosen
                for times in (restored.times.get(company.company_id) or new_times(status, at),)
            ],
        )
    return [
        Change(
            type=EventType.ASSIGNMENT_CREATED,
            issue=issue,
            company=Subject(company.company_id, company.name),
            after=status.value,
            note=note,
            undoes=restored.request_id,
            times=restored.times.get(company.company_id) if restored.request_id is None else None,
        )
        for company, status in chosen
    ]


def change_statuses(
    tx: Connection,
    issue: Subject,
    members: Sequence[Member],
    status: Status,
    at: datetime,
    note: str | None,
    *,
    restored: Restored = NOTHING,
) -> list[Change]:
    """Sets the status of assigned companies, whose present states are given.

    A status begins, and an outage begins or ends, at the time `at`, except for companies whose earlier times are in
    `restored`; without a request id, these are the times that assignments of a merge get.
    """
    if not members:
        return []
    values = {"issue_id": issue.id, "status": status.value, "updated_at": at}
    fresh = [member.company.company_id for member in members if member.company.company_id not in restored.times]
    if fresh:
        _set_status[status.open].run(tx, companies=numbers(tx, fresh), **values)
    for company_id in {member.company.company_id for member in members}.difference(fresh):
        times = msgspec.structs.asdict(restored.times[company_id])
        _restore_status.run(tx, companies=numbers(tx, [company_id]), **values, **times)
    return [
        Change(
            type=EventType.ASSIGNMENT_STATUS_CHANGED,
            issue=issue,
            company=Subject(member.company.company_id, member.company.name),
            before=member.status.value,
            after=status.value,
            note=note,
            times=member.times if restored.request_id else restored.times.get(member.company.company_id, member.times),
            undoes=restored.request_id,
        )
        for member in members
    ]


def new_times(status: Status, at: datetime) -> AssignmentTimes:
    """Returns the times of a new assignment with this status."""
    return AssignmentTimes(at, at if status.open else None)


def touch_issue(tx: Connection, issue: IssueHead, at: datetime) -> IssueHead:
    """Updates the issue's time of change, revision and statuses: the last step of every change to its assignments.

    `issue` must have been read with a lock in this transaction. Returns it with its new time and revision.
    """
    _touch.run(tx, issue_id=issue.issue_id, at=at)
    return msgspec.structs.replace(issue, revision=issue.revision + 1, updated_at=at)


def refuse_archived(companies: Sequence[Company], field: str) -> None:
    """Raises Invalid for `field` if a company is archived: it accepts no new assignments (contract, section 6)."""
    archived = [company for company in companies if company.archived]
    if archived:
        raise Invalid.field(field, why_archived(archived))


def why_archived(archived: Sequence[Company]) -> str:
    """Returns why archived companies, of which there must be one, cannot be assigned."""
    are = "is archived and takes" if len(archived) == 1 else "are archived and take"
    return f"{', '.join(f'“{company.name}”' for company in archived)} {are} no new assignments"


_of_issue = assignments.c.issue_id == bindparam("issue_id", type_=Id)
_at = bindparam("updated_at", type_=assignments.c.updated_at.type)


def _setting_status(**times: ColumnElement[Any]) -> Prepared:
    status = bindparam("status", type_=assignments.c.status.type)
    return Prepared(
        lambda dialect: (
            update(assignments)
            .where(_of_issue, among(assignments.c.company_id, "companies", dialect))
            .values(status=status, updated_at=_at, **times)
        )
    )


_set_status = {
    True: _setting_status(status_since=_at, affected_since=func.coalesce(assignments.c.affected_since, _at)),
    False: _setting_status(status_since=_at, affected_since=null()),
}
"""By whether the new status is open."""

_restore_status = _setting_status(
    status_since=bindparam("status_since", type_=assignments.c.status_since.type),
    affected_since=bindparam("affected_since", type_=assignments.c.affected_since.type),
)
_touch = Prepared(
    lambda _: (
        update(issues)
        .where(issues.c.issue_id == bindparam("issue_id", type_=Id))
        .values(
            updated_at=bindparam("at", type_=issues.c.updated_at.type),
            revision=issues.c.revision + 1,
            statuses=status_bits,
        )
    )
)
