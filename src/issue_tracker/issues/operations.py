"""Changes to issues and assignments: the rules. Each writes state and events in the caller's transaction.

Every operation first locks the issue that it changes, so that two changes to one issue take turns and none is
lost, while changes to different issues do not wait for each other. Setting what is so already writes nothing.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, require_helpdesk, require_super_admin
from issue_tracker.clock import now
from issue_tracker.companies.queries import Company, get_companies
from issue_tracker.database.engine import created_id
from issue_tracker.database.prepared import Prepared, among, numbers
from issue_tracker.database.tables import assignments, issues
from issue_tracker.database.types import Id
from issue_tracker.errors import FieldError, Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.record import record
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries import get_issue_head
from issue_tracker.issues.search import search_key
from issue_tracker.names import Name, key, repeated
from issue_tracker.status import BITS, Status, mask


class NewAssignment(msgspec.Struct, frozen=True):
    """A company to assign. Without a status it starts as new, and keeps the one it has if assigned already."""

    company_name: str
    status: Status | None = None


def create_issue(
    tx: Connection, actor: Actor, name: Name, description: str | None, members: Sequence[NewAssignment] = ()
) -> IssueHead:
    """Creates an issue with its assignments.

    Raises Invalid for a taken name, a company listed twice or archived; one NotFound naming all unknown companies.
    """
    require_helpdesk(actor)
    chosen = _resolve(tx, actor, members, "companies")
    at = now()
    try:
        with tx.begin_nested():
            inserted = tx.execute(
                insert(issues).values(
                    name=name,
                    name_key=key(name),
                    description=description or None,
                    description_key=search_key(description),
                    revision=1,
                    statuses=mask(status or Status.NEW for _, status in chosen),
                    created_at=at,
                    updated_at=at,
                )
            )
    except IntegrityError:
        raise _taken("name", name) from None
    issue = Subject(created_id(inserted), name)
    changes = [Change(type=EventType.ISSUE_CREATED, issue=issue)]
    changes += assign(tx, issue, [(company, status or Status.NEW) for company, status in chosen], at, "companies")
    record(tx, actor, changes, at)
    return get_issue_head(tx, actor, name)


def update_issue(
    tx: Connection,
    actor: Actor,
    issue: IssueHead,
    *,
    description: str | None = None,
    new_name: Name | None = None,
    add: Sequence[NewAssignment] = (),
) -> IssueHead:
    """Changes what is given; `description` is None to keep it, empty to clear it.

    `issue` must have been read with a lock in this transaction. Raises as create_issue does.
    """
    require_helpdesk(actor)
    chosen = _resolve(tx, actor, add, "add_companies")
    subject = Subject(issue.issue_id, issue.name)
    at = now()
    changes: list[Change] = []
    values: dict[str, object] = {}
    if new_name is not None and new_name != issue.name:
        values |= {"name": new_name, "name_key": key(new_name)}
        subject = Subject(issue.issue_id, new_name)
        renamed = Change(type=EventType.ISSUE_UPDATED, issue=subject, field="name", before=issue.name, after=new_name)
        changes.append(renamed)
    if description is not None and (description or None) != issue.description:
        values |= {"description": description or None, "description_key": search_key(description)}
        changes.append(Change(type=EventType.ISSUE_UPDATED, issue=subject, field="description", note="description"))
    if values:
        try:
            with tx.begin_nested():
                tx.execute(update(issues).where(issues.c.issue_id == issue.issue_id).values(**values))
                if "name_key" in values:
                    members = update(assignments).where(assignments.c.issue_id == issue.issue_id)
                    tx.execute(members.values(issue_key=values["name_key"]))
        except IntegrityError:
            raise _taken("new_name", str(new_name)) from None
    changes += _add(tx, subject, chosen, at)
    if changes:
        touch_issue(tx, issue.issue_id, at)
        record(tx, actor, changes, at)
    return get_issue_head(tx, actor, subject.name)


def set_status(
    tx: Connection, actor: Actor, issue: IssueHead, company: Company, status: Status, note: str | None = None
) -> None:
    """Sets a company's status in an issue, and assigns the company if it was not.

    `issue` must have been read with a lock in this transaction. Raises Invalid when an archived company would
    have to be assigned.
    """
    require_helpdesk(actor)
    at = now()
    subject = Subject(issue.issue_id, issue.name)
    current = _held.scalar(tx, issue_id=issue.issue_id, company_id=company.company_id)
    if current is None:
        changes = assign(tx, subject, [(company, status)], at, "company_name", note)
    elif current == status:
        return
    else:
        changes = change_statuses(tx, subject, [(company, Status(current))], status, at, note)
    touch_issue(tx, issue.issue_id, at)
    record(tx, actor, changes, at)


def unassign(tx: Connection, actor: Actor, issue: IssueHead, company: Company) -> None:
    """Takes a company off an issue. `issue` must be locked. Raises NotFound when it is not assigned."""
    require_helpdesk(actor)
    removed = tx.execute(
        delete(assignments)
        .where(assignments.c.issue_id == issue.issue_id, assignments.c.company_id == company.company_id)
        .returning(assignments.c.status)
    ).scalar_one_or_none()
    if removed is None:
        raise NotFound(f"“{company.name}” is not assigned to “{issue.name}”.")
    at = now()
    touch_issue(tx, issue.issue_id, at)
    change = Change(
        type=EventType.ASSIGNMENT_DELETED,
        issue=Subject(issue.issue_id, issue.name),
        company=Subject(company.company_id, company.name),
        before=removed,
    )
    record(tx, actor, [change], at)


def delete_issue(tx: Connection, actor: Actor, issue: IssueHead) -> None:
    """Deletes an issue and its assignments; its history stays. `issue` must be locked. Super admins only."""
    require_super_admin(actor)
    tx.execute(delete(assignments).where(assignments.c.issue_id == issue.issue_id))
    tx.execute(delete(issues).where(issues.c.issue_id == issue.issue_id))
    record(tx, actor, [Change(type=EventType.ISSUE_DELETED, issue=Subject(issue.issue_id, issue.name))], now())


def _resolve(
    tx: Connection, actor: Actor, members: Sequence[NewAssignment], field: str
) -> list[tuple[Company, Status | None]]:
    twice = repeated(member.company_name for member in members)
    if twice:
        told = [FieldError(f"{field}[{index}].company_name", f"“{name}” is listed twice") for index, name in twice]
        raise Invalid.of(told)
    found = get_companies(tx, actor, [member.company_name for member in members])
    return [(found[key(member.company_name)], member.status) for member in members]


def _add(tx: Connection, issue: Subject, chosen: Sequence[tuple[Company, Status | None]], at: datetime) -> list[Change]:
    """Assigns those that are not yet, and gives the others the status that was asked for, if one was."""
    if not chosen:
        return []
    query = select(assignments.c.company_id, assignments.c.status).where(assignments.c.issue_id == issue.id)
    current = {row.company_id: Status(row.status) for row in tx.execute(query)}
    fresh = [(company, status or Status.NEW) for company, status in chosen if company.company_id not in current]
    changes = assign(tx, issue, fresh, at, "add_companies")
    for company, status in chosen:
        held = current.get(company.company_id)
        if held is not None and status is not None and status is not held:
            changes += change_statuses(tx, issue, [(company, held)], status, at, None)
    return changes


def assign(
    tx: Connection,
    issue: Subject,
    chosen: Sequence[tuple[Company, Status]],
    at: datetime,
    field: str,
    note: str | None = None,
) -> list[Change]:
    """Assigns companies that are not yet. Raises Invalid, on `field`, for archived ones.

    As `change_statuses` and `touch_issue`: a step of an operation, which records the changes that it returns.
    """
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


def refuse_archived(companies: Sequence[Company], field: str) -> None:
    """Raises Invalid, on `field`, when one of them is archived: it takes no new assignments (contract, section 6)."""
    archived = [f"“{company.name}”" for company in companies if company.archived]
    if archived:
        are = "is archived and takes" if len(archived) == 1 else "are archived and take"
        raise Invalid.field(field, f"{', '.join(archived)} {are} no new assignments")


def change_statuses(
    tx: Connection,
    issue: Subject,
    members: Sequence[tuple[Company, Status]],
    status: Status,
    at: datetime,
    note: str | None,
) -> list[Change]:
    """Moves assigned companies, given with the status they have, to another status. See `assign`."""
    if not members:
        return []
    ids = numbers(tx, [company.company_id for company, _ in members])
    _move.run(tx, issue_id=issue.id, companies=ids, status=status.value, updated_at=at)
    return [
        Change(
            type=EventType.ASSIGNMENT_STATUS_CHANGED,
            issue=issue,
            company=Subject(company.company_id, company.name),
            before=held.value,
            after=status.value,
            note=note,
        )
        for company, held in members
    ]


_of_issue = assignments.c.issue_id == bindparam("issue_id", type_=Id)
_held = Prepared(
    lambda _: select(assignments.c.status).where(
        _of_issue, assignments.c.company_id == bindparam("company_id", type_=Id)
    )
)
_move = Prepared(
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


def touch_issue(tx: Connection, issue_id: int, at: datetime) -> None:
    """Moves the issue's own time, revision and statuses, as the last step of every change to it or its assignments."""
    _touch.run(tx, issue_id=issue_id, at=at)


def _taken(field: str, name: str) -> Invalid:
    return Invalid.field(field, f"an issue called “{name}” exists already")
