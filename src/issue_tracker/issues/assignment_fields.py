"""The fields of assignments besides the status: the owner of a company in an issue, and references."""

from collections.abc import Sequence
from typing import Any

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
from issue_tracker.issues.queries.assignments import list_assignment_fields


def change_assignments(
    tx: Connection,
    actor: Actor,
    issue: IssueHead,
    companies: Sequence[Company],
    *,
    owner: User | UnsetType | None = UNSET,
    references: Sequence[Reference] | UnsetType | None = UNSET,
) -> IssueHead:
    """Sets the owner and the references of the assignments of these companies; UNSET leaves a field unchanged, None
    clears it. Returns the changed issue.

    `issue` must have been read with a lock in this transaction. Raises NotFound for a company that is not assigned.
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
        values: dict[str, Any] = {}
        recorded: dict[str, tuple[str | None, str | None]] = {}
        if owner is not UNSET and (owner and owner.user_id) != stored.owner_id:
            values["owner_id"] = owner and owner.user_id
            before = None if stored.owner_id is None else get_user(tx, stored.owner_id).email
            recorded["owner"] = before, owner.email if owner else None
        refs = stored.refs if references is UNSET else stored_references(references)
        if refs != stored.refs:
            values["refs"] = refs
            recorded["references"] = stored.refs, refs
            index_references(tx, stored.assignment_id, refs)
        if values:
            same = assignments.c.assignment_id == stored.assignment_id
            tx.execute(update(assignments).where(same).values(**values, updated_at=at))
        changes += [
            Change(
                type=EventType.ASSIGNMENT_UPDATED,
                issue=subject,
                company=Subject(company.company_id, company.name),
                field=field,
                before=before,
                after=after,
            )
            for field, (before, after) in recorded.items()
        ]
    if not changes:
        return issue
    touched = touch_issue(tx, issue, at)
    record(tx, actor, changes, at)
    return touched
