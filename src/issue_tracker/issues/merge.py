"""Merging an issue into another one: two reports of one fault become one issue (contract, section 13)."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection, delete, update

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.auth.users import get_user
from issue_tracker.database.tables import alerts, assignments, issues, updates
from issue_tracker.errors import Forbidden, Invalid
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.record import record
from issue_tracker.issues.assignments import Restored, assign, change_statuses, touch_issue
from issue_tracker.issues.fields import IssueFields, changed_fields, index_fields, index_references, stored_references
from issue_tracker.issues.former_names import lead_on, move_names
from issue_tracker.issues.models import SEVERITIES, IssueHead, read_references, read_tags
from issue_tracker.issues.queries.assignments import AssignmentFields, list_assignment_fields
from issue_tracker.issues.queries.issue import (
    Member,
    get_issue_head_by_id,
    has_hidden_assignments,
    list_members,
)
from issue_tracker.new_names import Kind, forget
from issue_tracker.status import RANKED, Status


class MergedCompany(msgspec.Struct, frozen=True):
    """A company of the issue that is merged: its status there, in the other issue (None: not assigned), and then."""

    company_name: str
    here: Status
    there: Status | None
    then: Status


def plan_merge(tx: Connection, actor: Actor, source: IssueHead, target: IssueHead) -> list[MergedCompany]:
    """Returns what becomes of the companies of `source` when it is merged into `target`, by name. A company of both
    gets the less finished status. Raises Invalid for one and the same issue, and Forbidden while one of the two has
    companies that the actor does not see.
    """
    require_helpdesk(actor)
    if source.issue_id == target.issue_id:
        raise Invalid.field("into", "must be another issue")
    if any(has_hidden_assignments(tx, actor, issue.issue_id) for issue in (source, target)):
        raise Forbidden("You cannot merge these issues; ask somebody who sees all companies.")
    there = {member.company.company_id: member.status for member in list_members(tx, actor, target.issue_id)}
    return [
        MergedCompany(
            member.company.name,
            member.status,
            there.get(member.company.company_id),
            _less_finished(member.status, there.get(member.company.company_id)),
        )
        for member in list_members(tx, actor, source.issue_id)
    ]


def merge_issues(
    tx: Connection, actor: Actor, source: IssueHead, target: IssueHead, *, dry_run: bool = False
) -> IssueHead:
    """Merges `source` into `target`, and returns the latter as it is then. The names and the number of the former, its
    updates and alerts lead to the latter, which also gets its tags and references, and those fields that it has not.

    Both must have been read with a lock in this transaction. A dry run writes the same without recording it: its caller
    rolls it back. Raises like plan_merge.
    """
    plan_merge(tx, actor, source, target)
    at = max(source.time_of_change(), target.time_of_change())
    subject = Subject(target.issue_id, target.name)
    members = list_members(tx, actor, source.issue_id)
    held = {member.company.company_id: member for member in list_members(tx, actor, target.issue_id)}
    fields = list_assignment_fields(tx, actor, source.issue_id)
    changes = [
        Change(type=EventType.ISSUE_UPDATED, issue=subject, field="merged", before=source.name, after=target.name)
    ]
    _take_away(tx, source, target)
    lead_on(tx, source.issue_id, source.name, target.issue_id, at)
    changes += _merge_fields(tx, source, target)
    new = [member for member in members if member.company.company_id not in held]
    for status in RANKED:
        these = [member for member in new if member.status is status]
        times = {member.company.company_id: member.times for member in these}
        chosen = [(member.company, status) for member in these]
        changes += assign(tx, subject, chosen, at, "into", restored=Restored(None, times), archived=True)
        moved = [
            there
            for member in members
            if member.status is status and (there := held.get(member.company.company_id)) is not None
            if _less_finished(status, there.status) is not there.status
        ]
        changes += change_statuses(tx, subject, moved, status, at, None)
    _keep_assignment_fields(tx, actor, target, members, fields)
    touch_issue(tx, target, at)
    changes.append(Change(type=EventType.ISSUE_DELETED, issue=Subject(source.issue_id, source.name), after=target.name))
    if not dry_run:
        record(tx, actor, changes, at)
    return get_issue_head_by_id(tx, actor, target.issue_id)


def _less_finished(one: Status, other: Status | None) -> Status:
    return one if other is None else min(one, other, key=RANKED.index)


def _take_away(tx: Connection, source: IssueHead, target: IssueHead) -> None:
    """Deletes the issue, after everything that stays of it was given to the other one."""
    for table in (updates, alerts):
        tx.execute(update(table).where(table.c.issue_id == source.issue_id).values(issue_id=target.issue_id))
    move_names(tx, source.issue_id, target.issue_id)
    tx.execute(delete(assignments).where(assignments.c.issue_id == source.issue_id))
    tx.execute(delete(issues).where(issues.c.issue_id == source.issue_id))
    forget(tx, Kind.ISSUE, source.issue_id)


def _merge_fields(tx: Connection, source: IssueHead, target: IssueHead) -> list[Change]:
    """Tags and references of both; of the other fields those that the target has not."""
    theirs, ours = source.fields, target.fields
    references = read_references(ours.refs) + [
        one for one in read_references(theirs.refs) if one not in read_references(ours.refs)
    ]
    owner = UNSET if ours.owner_id or not theirs.owner_id else get_user(tx, theirs.owner_id)
    given = IssueFields(
        severity=UNSET if ours.severity else SEVERITIES[theirs.severity],
        owner=owner,
        next_update_at=ours.next_update_at or theirs.next_update_at,
        tags=read_tags(ours.tags) + read_tags(theirs.tags),
        references=references,
        external_key=ours.external_key or theirs.external_key,
    )
    found = changed_fields(tx, ours, given)
    if found:
        values = {change.column: change.stored for change in found}
        tx.execute(update(issues).where(issues.c.issue_id == target.issue_id).values(values))
        index_fields(tx, target.issue_id, found)
    subject = Subject(target.issue_id, target.name)
    return [
        Change(type=EventType.ISSUE_UPDATED, issue=subject, field=one.name, before=one.before, after=one.after)
        for one in found
    ]


def _keep_assignment_fields(
    tx: Connection, actor: Actor, target: IssueHead, members: Sequence[Member], theirs: dict[int, AssignmentFields]
) -> None:
    """Owners and references of the source's assignments, where the target's have none."""
    ours = list_assignment_fields(tx, actor, target.issue_id)
    for member in members:
        company_id = member.company.company_id
        before, after = theirs[company_id], ours[company_id]
        references = read_references(after.refs)
        references += [one for one in read_references(before.refs) if one not in references]
        owner_id, refs = after.owner_id or before.owner_id, stored_references(references)
        if (owner_id, refs) != (after.owner_id, after.refs):
            same = assignments.c.assignment_id == after.assignment_id
            tx.execute(update(assignments).where(same).values(owner_id=owner_id, refs=refs))
            index_references(tx, after.assignment_id, refs)
