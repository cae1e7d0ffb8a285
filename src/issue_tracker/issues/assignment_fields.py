"""The fields of assignments besides the status: the owner of a company in an issue, and references."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, update

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.auth.users import User, get_user
from issue_tracker.companies.queries import Company
from issue_tracker.database.tables import assignments
from issue_tracker.errors import NotFound
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.record import record
from issue_tracker.issues.assignments import touch_issue
from issue_tracker.issues.fields import index_references, stored_references
from issue_tracker.issues.models import IssueHead, Reference
from issue_tracker.issues.queries.assignments import AssignmentFields, list_assignment_fields
from issue_tracker.issues.queries.owners import require_technician


def change_assignments(
    tx: Connection,
    actor: Actor,
    issue: IssueHead,
    companies: Sequence[Company],
    *,
    owner: User | UnsetType | None = UNSET,
    references: Sequence[Reference] | UnsetType | None = UNSET,
    undoes: str | None = None,
) -> IssueHead:
    """Sets the owner and the references of the assignments of these companies; UNSET leaves a field unchanged, None
    clears it. Returns the changed issue.

    `undoes` is the request whose change this undoes. `issue` must have been read with a lock in this transaction.
    Raises NotFound for a company that is not assigned, and Invalid for a new owner who is not an active technician.
    """
    require_helpdesk(actor)
    if owner is UNSET and references is UNSET:
        return issue
    current = list_assignment_fields(tx, actor, issue.issue_id)
    subject, at = Subject(issue.issue_id, issue.name), issue.time_of_change()
    changes: list[Change] = []
    for company in companies:
        if company.company_id not in current:
            raise NotFound(f"“{company.name}” is not assigned to “{issue.name}”.")
        stored = current[company.company_id]
        if isinstance(owner, User) and owner.user_id != stored.owner_id:
            require_technician(owner)
        owner_id = stored.owner_id if isinstance(owner, UnsetType) else None if owner is None else owner.user_id
        refs = stored.refs if isinstance(references, UnsetType) else stored_references(references)
        changes += store_fields(tx, subject, company, stored, owner_id, refs, at, undoes=undoes)
    if not changes:
        return issue
    touched = touch_issue(tx, issue, at)
    record(tx, actor, changes, at)
    return touched


def store_fields(
    tx: Connection,
    issue: Subject,
    company: Company,
    stored: AssignmentFields,
    owner_id: int | None,
    refs: str | None,
    at: datetime,
    *,
    undoes: str | None = None,
) -> list[Change]:
    """Stores the owner and the references of an assignment, whose present ones are `stored`; returns what changed, for
    the operation to record.
    """
    values = {"owner_id": owner_id, "refs": refs}
    changed = {column: value for column, value in values.items() if value != getattr(stored, column)}
    if not changed:
        return []
    same = assignments.c.assignment_id == stored.assignment_id
    tx.execute(update(assignments).where(same).values(**changed, updated_at=at))
    recorded: dict[str, tuple[str | None, str | None]] = {}
    if "owner_id" in changed:
        recorded["owner"] = _email(tx, stored.owner_id), _email(tx, owner_id)
    if "refs" in changed:
        index_references(tx, stored.assignment_id, refs)
        recorded["references"] = stored.refs, refs
    return [
        Change(
            type=EventType.ASSIGNMENT_UPDATED,
            issue=issue,
            company=Subject(company.company_id, company.name),
            field=field,
            before=before,
            after=after,
            undoes=undoes,
        )
        for field, (before, after) in recorded.items()
    ]


def _email(tx: Connection, user_id: int | None) -> str | None:
    return None if user_id is None else get_user(tx, user_id).email
