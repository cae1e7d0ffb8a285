"""Undoing one request: each assignment gets back the status that it had, unless someone has changed it since."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.clock import now
from issue_tracker.companies.queries import Company, get_companies_by_id
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.queries.search import list_changes_of_request
from issue_tracker.issues.assignments import unassign
from issue_tracker.issues.bulk import Outcome, set_statuses
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import find_status, get_issue_head_by_id
from issue_tracker.names import storable
from issue_tracker.status import Status

WITHIN = timedelta(minutes=15)
"""How long a request can be undone. After that it is changed back like anything else."""


class Undone(msgspec.Struct, frozen=True):
    """An assignment that has its previous status again. Without a status the company is no longer assigned."""

    issue_id: int
    company_id: int
    status: Status | None


def undo(tx: Connection, actor: Actor, request_id: str) -> list[Undone]:
    """Undoes the status changes and assignments of a request that the actor made, and returns what was undone.

    What was changed since stays, and so does what the actor may no longer see. Raises Invalid when the request changed
    nothing that can be undone.
    """
    require_helpdesk(actor)
    changes = list_changes_of_request(tx, actor, request_id, now() - WITHIN) if storable(request_id) else []
    if not changes:
        raise Invalid("There is nothing to undo any more.")
    companies = get_companies_by_id(tx, actor, {change.company_id for change in changes if change.company_id})
    groups: dict[tuple[int, Status | None, Status], list[Company]] = defaultdict(list)
    for change in changes:
        if change.issue_id is not None and change.company_id in companies:
            assert change.after is not None
            before = None if change.before is None else Status(change.before)
            groups[change.issue_id, before, Status(change.after)].append(companies[change.company_id])
    undone: list[Undone] = []
    for (issue_id, before, after), changed in groups.items():
        try:
            issue = get_issue_head_by_id(tx, actor, issue_id, lock=True)
        except NotFound:
            continue  # the issue was deleted since
        if before is None:
            undone += _unassign(tx, actor, issue, changed, after)
        else:
            undone += _change_back(tx, actor, issue, changed, before, after)
    return undone


def _change_back(
    tx: Connection, actor: Actor, issue: IssueHead, companies: Sequence[Company], before: Status, after: Status
) -> list[Undone]:
    results = set_statuses(tx, actor, issue, before, companies=companies, only_from=[after])
    return [
        Undone(issue_id=issue.issue_id, company_id=company.company_id, status=before)
        for company, result in zip(companies, results, strict=True)
        if result.outcome is Outcome.CHANGED
    ]


def _unassign(
    tx: Connection, actor: Actor, issue: IssueHead, companies: Sequence[Company], after: Status
) -> list[Undone]:
    undone = []
    for company in companies:
        if find_status(tx, actor, issue.issue_id, company.company_id) is after:
            issue = unassign(tx, actor, issue, company)
            undone.append(Undone(issue_id=issue.issue_id, company_id=company.company_id, status=None))
    return undone
