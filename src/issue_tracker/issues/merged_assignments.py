"""What becomes of the assignments of an issue that is merged into another one."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, update

from issue_tracker.actor import Actor
from issue_tracker.clock import iso
from issue_tracker.database.tables import assignments
from issue_tracker.events.catalog import AssignmentTimes, Change, EventType, Subject
from issue_tracker.issues.assignment_fields import store_fields
from issue_tracker.issues.assignments import Restored, assign, change_statuses
from issue_tracker.issues.fields import merged_references
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.assignments import AssignmentFields, list_assignment_fields
from issue_tracker.issues.queries.issue import Member
from issue_tracker.status import RANKED, Status


def merge_assignments(
    tx: Connection,
    actor: Actor,
    target: IssueHead,
    members: Sequence[Member],
    held: Mapping[int, Member],
    fields: Mapping[int, AssignmentFields],
    at: datetime,
) -> list[Change]:
    """Adds the companies of the merged issue, `members`, with their `fields` by company id, to the target, which has
    those in `held` by company id. A company in both gets the less finished status, and the earlier start of its outage.
    Returns the changes to record.
    """
    subject = Subject(target.issue_id, target.name)
    changes: list[Change] = []
    new = [member for member in members if member.company.company_id not in held]
    sources = {member.company.company_id: member.times for member in members}
    for status in RANKED:
        chosen = [(member.company, status) for member in new if member.status is status]
        changes += assign(tx, subject, chosen, at, "into", restored=Restored(None, sources), archived=True)
        moved = [
            there
            for member in members
            if member.status is status and (there := held.get(member.company.company_id)) is not None
            if less_finished(status, there.status) is not there.status
        ]
        merged = {one.company.company_id: _merged_times(sources[one.company.company_id], one.times) for one in moved}
        changes += change_statuses(tx, subject, moved, status, at, None, restored=Restored(None, merged))
    changes += _merge_outages(tx, subject, members, held, at)
    return changes + _merge_fields(tx, actor, target, members, fields, at)


def less_finished(one: Status, other: Status | None) -> Status:
    """Returns the less finished of two statuses of a company; `other` is None if it has only one."""
    return one if other is None else min(one, other, key=RANKED.index)


def _merged_times(there: AssignmentTimes, here: AssignmentTimes) -> AssignmentTimes:
    """Returns the times of an assignment that gets the status of the other issue, which is less finished. If it is open
    in both issues, its outage began with the earlier one.
    """
    starts = [since for since in (there.affected_since, here.affected_since) if since is not None]
    return AssignmentTimes(there.status_since, min(starts, default=None))


def _merge_outages(
    tx: Connection, issue: Subject, members: Sequence[Member], held: Mapping[int, Member], at: datetime
) -> list[Change]:
    """Stores the earlier start of the outages of companies that are open in both issues and keep their status. Returns
    the changes to record.
    """
    changes: list[Change] = []
    for member in members:
        company, here = member.company, held.get(member.company.company_id)
        if here is None or less_finished(member.status, here.status) is not here.status:
            continue
        before, start = here.times.affected_since, _merged_times(member.times, here.times).affected_since
        if before is None or start is None or start == before:
            continue
        same = assignments.c.issue_id == issue.id, assignments.c.company_id == company.company_id
        tx.execute(update(assignments).where(*same).values(affected_since=start, updated_at=at))
        changes.append(
            Change(
                type=EventType.ASSIGNMENT_UPDATED,
                issue=issue,
                company=Subject(company.company_id, company.name),
                field="affected_since",
                before=iso(before),
                after=iso(start),
                times=AssignmentTimes(here.times.status_since, start),
            )
        )
    return changes


def _merge_fields(
    tx: Connection,
    actor: Actor,
    target: IssueHead,
    members: Sequence[Member],
    theirs: Mapping[int, AssignmentFields],
    at: datetime,
) -> list[Change]:
    """Copies owners of the source's assignments where the target's have none, and adds their references. Returns the
    changes to record.
    """
    ours = list_assignment_fields(tx, actor, target.issue_id)
    subject = Subject(target.issue_id, target.name)
    changes: list[Change] = []
    for member in members:
        before, after = theirs[member.company.company_id], ours[member.company.company_id]
        owner_id, refs = after.owner_id or before.owner_id, merged_references(after.refs, before.refs)
        changes += store_fields(tx, subject, member.company, after, owner_id, refs, at)
    return changes
