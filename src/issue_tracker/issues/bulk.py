"""Changes the status of many companies in one issue with one operation (contract, section 5)."""

from collections.abc import Collection, Sequence
from enum import StrEnum

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.companies.queries import Company
from issue_tracker.events.catalog import Subject
from issue_tracker.events.record import record
from issue_tracker.issues.assignments import (
    NOTHING,
    Restored,
    assign,
    change_statuses,
    refuse_archived,
    touch_issue,
)
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import Member, list_members
from issue_tracker.status import Status


class Outcome(StrEnum):
    """The outcome for one company in a bulk change."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"


class BulkResult(msgspec.Struct, frozen=True):
    """The result for one company in a bulk change. `from` is null if it was not assigned before."""

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
    companies: Sequence[Company] | None = None,
    exclude: Sequence[Company] = (),
    only_from: Collection[Status] | None = None,
    named: Sequence[Company] = (),
    note: str | None = None,
    restored: Restored = NOTHING,
    dry_run: bool = False,
) -> list[BulkResult]:
    """Sets the status of companies in an issue, of all assigned ones if `companies` is None. All or nothing.

    If `only_from` is given, only assignments with one of these statuses change; otherwise companies that are not
    assigned are assigned, and those with the status `closed` are skipped. Neither applies to the companies in `named`.
    Returns one result for each company, in the given order, or by name. `restored` as for `change_statuses`. A dry run
    returns the same and changes nothing. `issue` must have been read with a lock in this transaction. Raises Invalid
    for an archived company that would have to be assigned.
    """
    require_helpdesk(actor)
    excluded = {company.company_id for company in exclude}
    named_ids = {company.company_id for company in named}
    assigned = {member.company.company_id: member for member in list_members(tx, actor, issue.issue_id)}
    if companies is None:
        companies = [member.company for member in assigned.values()]
    results: list[BulkResult] = []
    new: list[tuple[Company, Status]] = []
    moved: list[Member] = []
    for company in companies:
        member = assigned.get(company.company_id)
        current = member.status if member else None
        is_named = company.company_id in named_ids
        outcome = _outcome(current, status, only_from, excluded=company.company_id in excluded, named=is_named)
        if outcome is Outcome.CHANGED:
            if member is None:
                new.append((company, status))
            else:
                moved.append(member)
        after = status if outcome is Outcome.CHANGED else current
        results.append(BulkResult(company_name=company.name, outcome=outcome, before=current, after=after))
    refuse_archived([company for company, _ in new], "companies")
    if dry_run or not (new or moved):
        return results
    at = issue.time_of_change()
    subject = Subject(issue.issue_id, issue.name)
    changes = assign(tx, subject, new, at, "companies", note, restored=restored)
    changes += change_statuses(tx, subject, moved, status, at, note, restored=restored)
    touch_issue(tx, issue, at)
    record(tx, actor, changes, at)
    return results


def _outcome(
    current: Status | None, wanted: Status, only_from: Collection[Status] | None, *, excluded: bool, named: bool
) -> Outcome:
    if excluded:
        return Outcome.SKIPPED
    if current is wanted:
        return Outcome.UNCHANGED
    if only_from is not None and not named:
        return Outcome.CHANGED if current in only_from else Outcome.SKIPPED
    return Outcome.SKIPPED if current is Status.CLOSED and not named else Outcome.CHANGED
