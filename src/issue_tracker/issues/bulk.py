"""Changing the status of many companies in one issue at once (contract, section 5)."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.clock import now
from issue_tracker.companies.queries import Company, get_companies
from issue_tracker.errors import FieldError, Invalid
from issue_tracker.events.catalog import Subject
from issue_tracker.events.record import record
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.operations import assign, change_statuses, refuse_archived, touch_issue
from issue_tracker.issues.queries import list_members
from issue_tracker.names import key, repeated
from issue_tracker.status import Status


class Outcome(StrEnum):
    """What became of one company in a bulk change."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"


class BulkResult(msgspec.Struct, frozen=True):
    """One company in a bulk change: `from` is null where it was not assigned before."""

    company_name: str
    outcome: Outcome
    before: Status | None = msgspec.field(name="from")
    after: Status | None = msgspec.field(name="to")


def set_statuses(
    tx: Connection,
    actor: Actor,
    issue: IssueHead,
    status: Status,
    *,
    names: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    only_from: Sequence[Status] = (),
    note: str | None = None,
    dry_run: bool = False,
) -> list[BulkResult]:
    """Moves companies of an issue to `status`; all assigned ones when `names` is None. All or nothing.

    Named companies that are not assigned get assigned, unless `only_from` asks for statuses that they do not have.
    Nothing leaves `closed` unless `only_from` names it. A dry run answers the same and changes nothing. `issue` must
    have been read with a lock. Raises Invalid for a company listed twice or archived, one NotFound for unknown ones.
    """
    require_helpdesk(actor)
    _refuse_repeated(names or (), "companies")
    _refuse_repeated(exclude, "exclude")
    known = get_companies(tx, actor, [*(names or ()), *exclude])
    excluded = {known[key(name)].company_id for name in exclude}
    held = {member.company.company_id: member for member in list_members(tx, issue.issue_id)}
    chosen = [known[key(name)] for name in names] if names is not None else [m.company for m in held.values()]
    results: list[BulkResult] = []
    fresh: list[tuple[Company, Status]] = []
    moved: list[tuple[Company, Status]] = []
    for company in chosen:
        member = held.get(company.company_id)
        current = member.status if member else None
        outcome = _outcome(current, status, only_from, excluded=company.company_id in excluded)
        if outcome is Outcome.CHANGED:
            if current is None:
                fresh.append((company, status))
            else:
                moved.append((company, current))
        results.append(BulkResult(company.name, outcome, current, status if outcome is Outcome.CHANGED else current))
    refuse_archived([company for company, _ in fresh], "companies")
    if dry_run or not (fresh or moved):
        return results
    at = now()
    subject = Subject(issue.issue_id, issue.name)
    changes = assign(tx, subject, fresh, at, "companies", note) if fresh else []
    changes += change_statuses(tx, subject, moved, status, at, note)
    touch_issue(tx, issue.issue_id, at)
    record(tx, actor, changes, at, bulk=True)
    return results


def _outcome(current: Status | None, wanted: Status, only_from: Sequence[Status], *, excluded: bool) -> Outcome:
    if excluded:
        return Outcome.SKIPPED
    if current is wanted:
        return Outcome.UNCHANGED
    if only_from:
        return Outcome.CHANGED if current in only_from else Outcome.SKIPPED
    return Outcome.SKIPPED if current is Status.CLOSED else Outcome.CHANGED


def _refuse_repeated(names: Sequence[str], field: str) -> None:
    twice = repeated(names)
    if twice:
        raise Invalid.of([FieldError(f"{field}[{index}]", f"“{name}” is listed twice") for index, name in twice])
