"""The state of each issue (with its assignments), update and company equals the fold of its events.

Descriptions are not compared, because their events do not contain the new text; neither are owners, whose events
contain an email address.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from issue_tracker.actor import Actor
from issue_tracker.database.tables import assignments, companies, events, issues, updates
from issue_tracker.events.catalog import AssignmentTimes, EventType
from issue_tracker.invariants.fold import FoldedIssue, FoldedUpdate, RecordedEvent, fold_update
from issue_tracker.invariants.queries.streams import columns, stream, together
from issue_tracker.issues.fields import FIELDS, recorded_value
from issue_tracker.issues.models import StoredFields

ARCHIVED = {"archived": True, "restored": False}
"""The notes of `company.updated` events, and whether the company is archived afterwards."""


class StoredIssue(StoredFields, frozen=True, kw_only=True):
    issue_id: int
    name: str
    created_at: datetime
    updated_at: datetime


class StoredAssignment(msgspec.Struct, frozen=True):
    issue_id: int
    company_id: int
    status: str
    created_at: datetime
    updated_at: datetime
    status_since: datetime | None
    affected_since: datetime | None


class StoredUpdate(msgspec.Struct, frozen=True):
    update_id: int
    issue_id: int
    body: str
    public: bool
    created_at: datetime
    edited_at: datetime | None
    withdrawn_at: datetime | None


class StoredCompany(msgspec.Struct, frozen=True):
    company_id: int
    name: str
    archived: bool


def wrong_issues(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields issues that differ from their events: in existence, name, fields, assignments, statuses or times."""
    of_issues = select(events).where(events.c.issue_id.is_not(None)).order_by(events.c.issue_id, events.c.event_id)
    stored = select(*columns(issues, StoredIssue)).order_by(issues.c.issue_id)
    members = select(*columns(assignments, StoredAssignment))
    for issue_id, found in together(
        "issue_id",
        (_recorded(row) for row in stream(tx, actor, of_issues)),
        (StoredIssue(**row._mapping) for row in stream(tx, actor, stored)),
        (
            StoredAssignment(**row._mapping)
            for row in stream(tx, actor, members.order_by(assignments.c.issue_id, assignments.c.company_id))
        ),
    ):
        folded = FoldedIssue()
        for event in found:
            if isinstance(event, RecordedEvent) and (problem := folded.apply(event)):
                yield f"Event {event.event_id} ({event.type}) of issue {issue_id} {problem}."
        issue = next((part for part in found if isinstance(part, StoredIssue)), None)
        assigned = [part for part in found if isinstance(part, StoredAssignment)]
        for problem in (*_compare_issue(tx, folded, issue), *_compare_assignments(folded, assigned)):
            yield f"Issue {issue_id} {problem}."


def wrong_updates(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields updates that differ from their events. The updates of a deleted issue no longer exist."""
    said = select(events).where(events.c.update_id.is_not(None)).order_by(events.c.update_id, events.c.event_id)
    stored = select(*columns(updates, StoredUpdate)).order_by(updates.c.update_id)
    for update_id, found in together(
        "update_id",
        (_recorded(row) for row in stream(tx, actor, said)),
        (StoredUpdate(**row._mapping) for row in stream(tx, actor, stored)),
    ):
        recorded = [part for part in found if isinstance(part, RecordedEvent)]
        folded, problems = fold_update(recorded)
        yield from problems
        text = next((part for part in found if isinstance(part, StoredUpdate)), None)
        if text is None:
            there = select(issues.c.issue_id).where(issues.c.issue_id == recorded[0].issue_id)
            if tx.execute(there).first() is not None:
                yield f"Update {update_id} is missing, but according to its events it exists."
            continue
        times = text.created_at, text.edited_at, text.withdrawn_at
        if folded != FoldedUpdate(text.body, bool(text.public), *times):
            yield f"Update {update_id} does not match its events."


def wrong_companies(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields companies that differ from their events: in their existence, names, or whether they are archived."""
    types = (EventType.COMPANY_CREATED, EventType.COMPANY_UPDATED, EventType.COMPANY_DELETED)
    of_companies = select(events).where(events.c.type.in_(types)).order_by(events.c.company_id, events.c.event_id)
    stored = select(*columns(companies, StoredCompany)).order_by(companies.c.company_id)
    for company_id, found in together(
        "company_id",
        (_recorded(row) for row in stream(tx, actor, of_companies)),
        (StoredCompany(**row._mapping) for row in stream(tx, actor, stored)),
    ):
        said: StoredCompany | None = None
        for event in found:
            if not isinstance(event, RecordedEvent):
                continue
            if event.type == EventType.COMPANY_DELETED:
                said = None
                continue
            before = said.archived if said else False
            said = StoredCompany(company_id, event.company_name or "", ARCHIVED.get(event.note or "", before))
        company = next((part for part in found if isinstance(part, StoredCompany)), None)
        if company != said:
            yield f"Company {company_id} is {_described(company)}, but {_described(said)} in its events."


def _compare_issue(tx: Connection, folded: FoldedIssue, issue: StoredIssue | None) -> Iterator[str]:
    if issue is None:
        if folded.exists:
            yield f"“{folded.name}” is missing, and no event deletes it"
        return
    if not folded.exists:
        yield f"“{issue.name}” exists, but according to its events it does not"
        return
    if issue.name != folded.name:
        yield f"is called “{issue.name}”, but “{folded.name}” in its events"
    for field in FIELDS:
        if field in folded.fields and field != "owner":
            value, recorded = recorded_value(tx, field, issue), folded.fields[field]
            if value != recorded:
                yield f"“{issue.name}” has the {field} “{value}”, but “{recorded}” in its events"
    if issue.created_at != folded.created_at:
        yield f"“{issue.name}” has created_at {issue.created_at}, but {folded.created_at} in its event"
    if issue.updated_at != folded.updated_at:
        yield f"“{issue.name}” has updated_at {issue.updated_at}, and its last event is from {folded.updated_at}"


def _compare_assignments(folded: FoldedIssue, assigned: list[StoredAssignment]) -> Iterator[str]:
    said = dict(folded.assignments) if folded.exists else {}
    for assignment in assigned:
        expected = said.pop(assignment.company_id, None)
        company = f"company {assignment.company_id}"
        if expected is None:
            yield f"has {company} assigned, but not according to its events"
        elif assignment.status != expected.status:
            yield f"has {company} in the status {assignment.status}, but {expected.status} in its events"
        elif (assignment.created_at, assignment.updated_at) != (expected.created_at, expected.updated_at):
            times = f"{assignment.created_at} and {assignment.updated_at}"
            yield f"has {company} with the times {times}, which are not those of the events"
        elif expected.times is not None and assignment.status_since is not None:
            stored = AssignmentTimes(assignment.status_since, assignment.affected_since)
            if stored != expected.times:
                since = f"{stored.status_since}, affected since {stored.affected_since}"
                yield f"has {company} in its status since {since}, which contradicts its events"
    for company_id in said:
        yield f"does not have company {company_id} assigned, but according to its events it has"


def _described(company: StoredCompany | None) -> str:
    if company is None:
        return "missing"
    return f"“{company.name}”, {'archived' if company.archived else 'not archived'}"


def _recorded(row: Row[Any]) -> RecordedEvent:
    return RecordedEvent(
        event_id=row.event_id,
        type=row.type,
        at=row.at,
        issue_id=row.issue_id,
        issue_name=row.issue_name,
        company_id=row.company_id,
        company_name=row.company_name,
        field=row.field,
        before=row.from_value,
        after=row.to_value,
        note=row.note,
        update_id=row.update_id,
        request_id=row.request_id,
        undoes=row.undoes,
        status_since=row.status_since,
        affected_since=row.affected_since,
    )
