"""Merges an issue into another one, so that two reports of one fault become one issue (contract, section 13)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, insert, null, update

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.prepared import among, numbers
from issue_tracker.database.tables import alerts, assignments, issues, update_companies, updates
from issue_tracker.errors import FieldError, Forbidden, Invalid
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.record import record
from issue_tracker.issues.assignments import touch_issue
from issue_tracker.issues.fields import (
    MOST_ITEMS,
    count_items,
    index_fields,
    merged_fields,
    merged_references,
    merged_tags,
)
from issue_tracker.issues.former_names import move_names, redirect_names
from issue_tracker.issues.merged_assignments import less_finished, merge_assignments
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.assignments import list_assignment_fields
from issue_tracker.issues.queries.issue import (
    Member,
    get_issue_head_by_id,
    has_hidden_assignments,
    list_members,
)
from issue_tracker.issues.queries.opened_by_alerts import last_event, list_alerts_of, list_alerts_that_opened
from issue_tracker.issues.queries.search import search_key
from issue_tracker.issues.updates.operations import add_update
from issue_tracker.issues.updates.queries import list_ids_for_all
from issue_tracker.names import UPDATE_LIMIT, UpdateText
from issue_tracker.new_names import Kind, forget
from issue_tracker.status import Status

LOCK_ATTEMPTS = 5
"""How many times the locks of a merge are taken, if each time another alert has reached one of the issues meanwhile."""


class MergedCompany(msgspec.Struct, frozen=True):
    """A company of the merged issue: its status there, in the other issue (None: not assigned), and afterwards."""

    company_name: str
    here: Status
    there: Status | None
    then: Status


def lock_issues(tx: Connection, actor: Actor, source_id: int, target_id: int) -> tuple[IssueHead, IssueHead]:
    """Returns the issue to merge and the one into which it is merged, locked in the order of their ids, so that merges
    in both directions wait for each other. Raises NotFound.

    Their alerts are locked before, because a report locks its alert before the issue. An alert that reaches an issue
    while this waits for the issue must not be locked after it: the locks are released, and taken again.
    """
    ids = sorted({source_id, target_id})
    for left in reversed(range(LOCK_ATTEMPTS)):
        with tx.begin_nested() as attempt:
            held = list_alerts_of(tx, actor, ids, lock=True)
            locked = {issue_id: get_issue_head_by_id(tx, actor, issue_id, lock=True) for issue_id in ids}
            if held >= list_alerts_of(tx, actor, ids) or not left:
                break
            attempt.rollback()
    return locked[source_id], locked[target_id]


def plan_merge(tx: Connection, actor: Actor, source: IssueHead, target: IssueHead) -> list[MergedCompany]:
    """Returns the effect of merging `source` into `target` on the companies of `source`, by name. A company of both
    issues gets the less finished status. Raises Invalid if both are the same issue, or would have too many tags or
    references together, and Forbidden if one of them has companies that the actor may not see.
    """
    require_helpdesk(actor)
    if source.issue_id == target.issue_id:
        raise Invalid.field("into", "must be another issue")
    if any(has_hidden_assignments(tx, actor, issue.issue_id) for issue in (source, target)):
        raise Forbidden("You cannot merge these issues; ask someone who can see all companies.")
    members = list_members(tx, actor, source.issue_id)
    _refuse_too_many(tx, actor, source, target, members)
    there = {member.company.company_id: member.status for member in list_members(tx, actor, target.issue_id)}
    return [
        MergedCompany(
            member.company.name,
            member.status,
            there.get(member.company.company_id),
            less_finished(member.status, there.get(member.company.company_id)),
        )
        for member in members
    ]


def merge_issues(
    tx: Connection, actor: Actor, source: IssueHead, target: IssueHead, *, dry_run: bool = False
) -> IssueHead:
    """Merges `source` into `target`, and returns the changed `target`. The names, the number and the external key of
    `source`, its updates and alerts lead to `target`, which also gets its tags and references, and the description and
    the fields that `target` lacks. The updates remain for the companies of `source`. If both have a description, that
    of `source` becomes an internal update for these, because events do not contain it.

    Both must have been read with a lock in this transaction. A dry run writes the same without recording it; its caller
    must roll it back. Raises what plan_merge raises.
    """
    plan_merge(tx, actor, source, target)
    at = max(source.time_of_change(), target.time_of_change())
    subject = Subject(target.issue_id, target.name)
    members = list_members(tx, actor, source.issue_id)
    held = {member.company.company_id: member for member in list_members(tx, actor, target.issue_id)}
    fields = list_assignment_fields(tx, actor, source.issue_id)
    opened = [list_alerts_that_opened(tx, actor, issue.issue_id) for issue in (source, target)]
    changes = [
        Change(type=EventType.ISSUE_UPDATED, issue=subject, field="merged", before=source.name, after=target.name)
    ]
    own = [member.company.company_id for member in members]
    covers_all = held.keys() <= set(own)
    if not covers_all:
        _address_updates(tx, actor, source, own)
    _delete_source(tx, source, target)
    # If the target has no key, it gets that of the source.
    former_key = source.fields.external_key if target.fields.external_key else None
    redirect_names(tx, source.issue_id, source.name, target.issue_id, at, own, former_key)
    changes += _merge_fields(tx, source, target, at)
    changes += merge_assignments(tx, actor, target, members, held, fields, at)
    touch_issue(tx, target, at)
    changes.append(Change(type=EventType.ISSUE_DELETED, issue=Subject(source.issue_id, source.name), after=target.name))
    if not dry_run:
        record(tx, actor, changes, at)
        _let_alerts_clear(tx, members, held, *opened)
    remaining = get_issue_head_by_id(tx, actor, target.issue_id)
    if source.description and source.description != remaining.description and not dry_run:
        said = f"The description of “{source.name}” was:\n\n{source.description}"
        # A description may be as long as an update.
        text = UpdateText(said if len(said) <= UPDATE_LIMIT else source.description)
        readers = None if covers_all else [member.company for member in members] or None
        add_update(tx, actor, remaining, text, companies=readers)
    return remaining


def _refuse_too_many(
    tx: Connection, actor: Actor, source: IssueHead, target: IssueHead, members: Sequence[Member]
) -> None:
    """Raises Invalid for `tags` or `references` if the target, or a company in it, would get more than it may have."""
    ours, theirs = target.fields, source.fields
    merged = [
        ("tags", "the remaining issue", ours.tags, merged_tags(ours, theirs)),
        ("references", "the remaining issue", ours.refs, merged_references(ours.refs, theirs.refs)),
    ]
    here, there = (list_assignment_fields(tx, actor, issue.issue_id) for issue in (target, source))
    for member in members:
        company_id = member.company.company_id
        if company_id in here:
            before = here[company_id].refs
            after = merged_references(before, there[company_id].refs)
            merged.append(("references", f"“{member.company.name}” in the remaining issue", before, after))
    wrong = [
        FieldError(field, f"{what} would have {count_items(after)} {field}; at most {MOST_ITEMS} are possible")
        for field, what, before, after in merged
        if count_items(after) > max(count_items(before), MOST_ITEMS)
    ]
    if wrong:
        raise Invalid.of(wrong)


def _address_updates(tx: Connection, actor: Actor, source: IssueHead, own: Sequence[int]) -> None:
    """Makes the updates that are for all companies of the source, `own`, remain for these: the other companies of the
    target must not read a text that was written for other customers.
    """
    ids = list_ids_for_all(tx, actor, source.issue_id)
    rows = [{"update_id": update_id, "company_id": company_id} for update_id in ids for company_id in own]
    if rows:
        tx.execute(insert(update_companies), rows)
        tx.execute(update(updates).where(updates.c.issue_id == source.issue_id).values(for_all=False))


def _let_alerts_clear(
    tx: Connection,
    members: Sequence[Member],
    held: Mapping[int, Member],
    theirs: Mapping[int, Sequence[int]],
    ours: Mapping[int, Sequence[int]],
) -> None:
    """Lets the alerts of the merged companies clear their assignments as before, in spite of the events of the merge:
    unless a person opened or changed an open assignment of the company, in one of the issues.

    `theirs` and `ours` are the alerts that opened assignments of the source and the target.
    """
    ids: dict[bool, list[int]] = {True: [], False: []}
    for member in members:
        company_id = member.company.company_id
        there = held.get(company_id)
        by_person = (member.status.open and company_id not in theirs) or (
            there is not None and there.status.open and company_id not in ours
        )
        ids[by_person] += [*theirs.get(company_id, ()), *ours.get(company_id, ())]
    these = among(alerts.c.alert_id, "ids", tx.dialect.name)
    for by_person, event in ((False, last_event), (True, null())):
        if ids[by_person]:
            opening = update(alerts).where(these).values(opening_event_id=event)
            tx.execute(opening, {"ids": numbers(tx, ids[by_person])})


def _delete_source(tx: Connection, source: IssueHead, target: IssueHead) -> None:
    """Deletes the source issue, after moving its updates, alerts and former names to the target."""
    tx.execute(update(updates).where(updates.c.issue_id == source.issue_id).values(issue_id=target.issue_id))
    # The events of the source say nothing about the target, where a person may have opened the assignment.
    moved = update(alerts).where(alerts.c.issue_id == source.issue_id)
    tx.execute(moved.values(issue_id=target.issue_id, opening_event_id=null()))
    move_names(tx, source.issue_id, target.issue_id)
    tx.execute(delete(assignments).where(assignments.c.issue_id == source.issue_id))
    tx.execute(delete(issues).where(issues.c.issue_id == source.issue_id))
    forget(tx, Kind.ISSUE, source.issue_id)


def _merge_fields(tx: Connection, source: IssueHead, target: IssueHead, at: datetime) -> list[Change]:
    """Copies tags and references to the target, and the description and other fields that it lacks. Returns the changes
    to record.
    """
    subject = Subject(target.issue_id, target.name)
    changes: list[Change] = []
    values: dict[str, object] = {}
    if source.description and not target.description:
        values |= {"description": source.description, "description_key": search_key(source.description)}
        changes.append(Change(type=EventType.ISSUE_UPDATED, issue=subject, field="description", note="description"))
    found = merged_fields(tx, target.fields, source.fields)
    values |= {change.column: change.stored for change in found}
    if values:
        tx.execute(update(issues).where(issues.c.issue_id == target.issue_id).values(**values, edited_at=at))
        index_fields(tx, target.issue_id, found)
    changes += [
        Change(type=EventType.ISSUE_UPDATED, issue=subject, field=one.name, before=one.before, after=one.after)
        for one in found
    ]
    return changes
