"""Undo of one request: restores the previous status of each assignment that has not been changed since, and the owner
and the references of one that was removed.

It also restores the times: since when the assignment has had this status, and since when it has been open. Otherwise an
undone change would look like a recent one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.auth.users import User
from issue_tracker.clock import now
from issue_tracker.companies.queries import Company, get_companies_by_id, lock_for_assignment
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import STATUS_CHANGES, AssignmentTimes, Event, EventType
from issue_tracker.events.queries.history import find_last_event
from issue_tracker.events.queries.undoable import (
    AssignmentChange,
    Place,
    list_changed_since,
    list_changes_of_request,
    list_removed_fields,
)
from issue_tracker.issues.assignment_fields import change_assignments
from issue_tracker.issues.assignments import Restored, unassign
from issue_tracker.issues.bulk import Outcome, set_statuses
from issue_tracker.issues.models import IssueHead, read_references
from issue_tracker.issues.queries.issue import find_issue_head_by_id, find_status
from issue_tracker.issues.queries.opened_by_alerts import list_fired_since
from issue_tracker.issues.queries.owners import find_owner, require_technician
from issue_tracker.names import storable, whole_number
from issue_tracker.status import Status

WITHIN = timedelta(minutes=15)
"""How long a request can be undone."""


class Undone(msgspec.Struct, frozen=True):
    """An assignment whose previous status is restored, since `status_since` if that is known. Without a status, the
    company is no longer assigned.
    """

    issue_id: int
    company_id: int
    status: Status | None
    status_since: datetime | None = None


class UndoResult(msgspec.Struct, frozen=True):
    """What an undo restored; how many assignments it left because they have been changed since; and the names of the
    removed companies that it left because they have been archived since, each once for each issue.
    """

    undone: list[Undone]
    changed_since: int
    archived: list[str]


class _NetChange(msgspec.Struct, frozen=True):
    """The status of an assignment before and after a request, and its times before. Without `before`, the request has
    assigned the company; without `after`, removed it.
    """

    before: Status | None
    after: Status | None
    times: AssignmentTimes | None


class _Kind(msgspec.Struct, frozen=True):
    """A change of some companies of an issue. Without `before`, they were assigned; without `after`, removed."""

    issue_id: int
    before: Status | None
    after: Status | None


def undo_id(actor: Actor) -> str:
    """Returns the text with which `undo` finds the changes of the actor's present request, and of no other one with the
    same request id.
    """
    return f"{actor.request_id}#{actor.request_number}"


def undo(tx: Connection, actor: Actor, request: str) -> UndoResult:
    """Undoes the status changes, assignments and removals of a request of the actor: that of an `undo_id`, or the last
    one with a request id.

    Leaves unchanged what another request has changed since, unless that one has been undone; what the request opened,
    and an alert has been firing for since; removed companies that have been archived since; and what the actor may no
    longer see. Raises Invalid if the request made no changes that can be undone.
    """
    require_helpdesk(actor)
    changes = _changes(tx, actor, request)
    net = _net_changes(changes)
    if not net:
        raise Invalid("There is nothing left to undo.")
    # Companies are locked before issues, as when a company is renamed.
    companies = get_companies_by_id(tx, actor, {company_id for _, company_id in net})
    removed = {company_id for (_, company_id), change in net.items() if change.after is None}
    companies |= lock_for_assignment(
        tx, actor.company_access, (company for company in companies.values() if company.company_id in removed)
    )
    # All issues are locked before later changes are read, so that none is missed.
    for issue_id in sorted({issue_id for issue_id, _ in net}):
        _lock_issue(tx, actor, issue_id)
    kept = list_changed_since(tx, actor, changes) | list_fired_since(tx, actor, _opened_at(changes, net))
    archived: list[str] = []
    request_id = changes[0].event.request_id
    groups: dict[_Kind, list[Company]] = defaultdict(list)
    restored: dict[_Kind, Restored] = {}
    for (issue_id, company_id), change in net.items():
        if (issue_id, company_id) in kept or company_id not in companies:
            continue
        kind = _Kind(issue_id, change.before, change.after)
        if kind.after is None and companies[company_id].archived:
            archived.append(companies[company_id].name)
            continue
        groups[kind].append(companies[company_id])
        times = restored.setdefault(kind, Restored(request_id, {})).times
        if change.times is not None:
            restored[kind] = Restored(request_id, {**times, company_id: change.times})
    fields = list_removed_fields(tx, actor, changes)
    undone: list[Undone] = []
    for kind, changed in groups.items():
        issue = _lock_issue(tx, actor, kind.issue_id)
        if issue is None:
            continue  # it was deleted since
        if kind.before is None:
            undone += _unassign(tx, actor, issue, changed, kind.after, request_id)
        else:
            undone += _change_back(tx, actor, issue, changed, kind.before, kind.after, restored[kind])
    for each in undone:
        if (each.issue_id, each.company_id) in fields:
            _restore_fields(tx, actor, each, companies, fields[each.issue_id, each.company_id], request_id)
    return UndoResult(undone, len(net) - len(undone) - len(archived), archived)


def _changes(tx: Connection, actor: Actor, request: str) -> list[AssignmentChange]:
    """Returns the changes of the request of the actor that `request` means (see `undo`), if it can still be undone."""
    request_id, mark, text = request.partition("#")
    number = whole_number(text)
    if not storable(request_id) or (mark and number is None):
        return []
    return list_changes_of_request(tx, actor, request_id, number, now() - WITHIN)


def _net_changes(changes: Sequence[AssignmentChange]) -> dict[Place, _NetChange]:
    """Returns what the changes of a request amount to, for each assignment that is no longer as it was before."""
    net: dict[Place, _NetChange] = {}
    for change in changes:
        after = _status(change.event.after)
        first = net.get(change.place)
        net[change.place] = (
            _NetChange(_status(change.event.before), after, change.times)
            if first is None
            else msgspec.structs.replace(first, after=after)
        )
    return {place: change for place, change in net.items() if change.before is not change.after}


def _opened_at(changes: Sequence[AssignmentChange], net: Mapping[Place, _NetChange]) -> dict[Place, datetime]:
    """Returns when a request opened each assignment that was not open before.

    If an alert has been firing for it since, an undo would hide the fault: the alert has changed nothing, and its
    repetitions will not, because the assignment was open already.
    """
    opened = {place for place, change in net.items() if _is_open(change.after) and not _is_open(change.before)}
    return {change.place: datetime.fromisoformat(change.event.at) for change in changes if change.place in opened}


def _is_open(status: Status | None) -> bool:
    return status is not None and status.open


def _status(value: str | None) -> Status | None:
    return None if value is None else Status(value)


def last_change_after(tx: Connection, actor: Actor, request: str) -> Event | None:
    """Returns the last change of an assignment that this request of the actor (see `undo`) changed, to show who changed
    it since; None if there is no later one, because the issue itself was deleted or merged.
    """
    changes = _changes(tx, actor, request)
    if not changes:
        return None
    new = changes[0].event.type is EventType.ASSIGNMENT_CREATED
    types = (*STATUS_CHANGES, EventType.ASSIGNMENT_UPDATED) if new else STATUS_CHANGES
    last = find_last_event(tx, actor, types, *changes[0].place)
    return None if last is None or last.event_id in {change.event.event_id for change in changes} else last


def _lock_issue(tx: Connection, actor: Actor, issue_id: int) -> IssueHead | None:
    """Returns an issue that the actor has changed. With limited company access, the actor no longer sees it if the
    change has removed the last visible company.
    """
    return find_issue_head_by_id(tx, actor.unlimited, issue_id, lock=True)


def _change_back(
    tx: Connection,
    actor: Actor,
    issue: IssueHead,
    companies: Sequence[Company],
    before: Status,
    after: Status | None,
    restored: Restored,
) -> list[Undone]:
    if after is None:
        # They are assigned again, except those that another user has assigned meanwhile.
        ids = [company.company_id for company in companies]
        gone = [one for one in ids if find_status(tx, actor, issue.issue_id, one) is None]
        companies = [company for company in companies if company.company_id in gone]
    from_ = None if after is None else (after,)
    results = set_statuses(tx, actor, issue, before, companies=companies, only_from=from_, restored=restored)
    return [
        Undone(issue.issue_id, company.company_id, before, None if times is None else times.status_since)
        for company, result in zip(companies, results, strict=True)
        for times in (restored.times.get(company.company_id),)
        if result.outcome is Outcome.CHANGED
    ]


def _unassign(
    tx: Connection,
    actor: Actor,
    issue: IssueHead,
    companies: Sequence[Company],
    after: Status | None,
    request_id: str,
) -> list[Undone]:
    undone = []
    for company in companies:
        if find_status(tx, actor, issue.issue_id, company.company_id) is after:
            issue = unassign(tx, actor, issue, company, undoes=request_id)
            undone.append(Undone(issue_id=issue.issue_id, company_id=company.company_id, status=None))
    return undone


def _restore_fields(
    tx: Connection,
    actor: Actor,
    undone: Undone,
    companies: Mapping[int, Company],
    fields: Mapping[str, str],
    request_id: str,
) -> None:
    """Gives an assignment that is assigned again its owner, if that is still an active technician, and references."""
    issue = _lock_issue(tx, actor, undone.issue_id)
    assert issue is not None
    owner: User | UnsetType = UNSET
    if "owner" in fields:
        with suppress(Invalid):
            former = find_owner(tx, actor.unlimited, fields["owner"])
            require_technician(former)
            owner = former
    references = read_references(fields.get("references")) or UNSET
    company = companies[undone.company_id]
    change_assignments(tx, actor, issue, [company], owner=owner, references=references, undoes=request_id)
