"""Taking back what one request changed: each assignment returns to where it was, unless someone moved it since."""

from collections import defaultdict
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.clock import now
from issue_tracker.companies.queries import get_company
from issue_tracker.database.tables import events
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.catalog import EventType
from issue_tracker.issues.bulk import Outcome, set_statuses
from issue_tracker.issues.operations import unassign
from issue_tracker.issues.queries import get_assignment, get_issue_head_by_id
from issue_tracker.names import storable
from issue_tracker.status import Status

WITHIN = timedelta(minutes=15)
"""How long a change can be taken back with one press; after that it is a change like any other."""


class Undone(msgspec.Struct, frozen=True):
    """An assignment that is back where it was; without a status it is assigned no more."""

    issue_id: int
    company_id: int
    status: Status | None


def undo(tx: Connection, actor: Actor, request_id: str) -> list[Undone]:
    """Takes back the status changes and assignments of the actor's own request.

    What was changed since stays. Raises Invalid when the request changed nothing that can be taken back.
    """
    require_helpdesk(actor)
    if not storable(request_id):
        raise Invalid("There is nothing to undo any more.")
    recent = (
        select(events.c.issue_id, events.c.company_id, events.c.type, events.c.from_value, events.c.to_value)
        .where(
            events.c.request_id == request_id,
            events.c.actor_id == actor.user_id,
            events.c.at >= now() - WITHIN,
            events.c.type.in_([EventType.ASSIGNMENT_STATUS_CHANGED.value, EventType.ASSIGNMENT_CREATED.value]),
        )
        .order_by(events.c.issue_id, events.c.event_id)
    )
    moves: dict[tuple[int, str | None, str], list[int]] = defaultdict(list)
    for issue_id, company_id, _, before, after in tx.execute(recent):
        moves[issue_id, before, after].append(company_id)
    if not moves:
        raise Invalid("There is nothing to undo any more.")
    undone: list[Undone] = []
    for (issue_id, before, after), company_ids in moves.items():
        undone += _take_back(tx, actor, issue_id, company_ids, before, Status(after))
    return undone


def _take_back(
    tx: Connection, actor: Actor, issue_id: int, company_ids: list[int], before: str | None, after: Status
) -> list[Undone]:
    try:
        issue = get_issue_head_by_id(tx, actor, issue_id, lock=True)
    except NotFound:
        return []
    companies = [get_company(tx, actor, company_id) for company_id in company_ids]
    if before is not None:
        results = set_statuses(
            tx, actor, issue, Status(before), names=[company.name for company in companies], only_from=[after]
        )
        changed = {result.company_name for result in results if result.outcome is Outcome.CHANGED}
        return [
            Undone(issue_id, company.company_id, Status(before)) for company in companies if company.name in changed
        ]
    undone = []
    for company in companies:
        try:
            held = get_assignment(tx, issue, company.company_id)
        except NotFound:
            continue
        if held.status is after:
            unassign(tx, actor, issue, company)
            undone.append(Undone(issue_id, company.company_id, None))
    return undone
