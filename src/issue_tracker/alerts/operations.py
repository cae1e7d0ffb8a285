"""What a report from a monitoring system changes (contract, section 14): one operation, for one alert or many.

A report never undoes a change made by a person. An alert that fires repeatedly is counted; only a change of its state
can change an assignment, and only if no person has changed it since. So a technician may set any status, rename the
issue or remove the company from it, and the next repetition does not revert that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.alerts.assignment import (
    clear_assignment,
    find_issue,
    find_subject,
    open_assignment,
    opening_event,
    store,
)
from issue_tracker.alerts.flapping import noted, say_flapping
from issue_tracker.alerts.locking import Batch, LockedBatch, columns_of_details, columns_of_names, lock_batches
from issue_tracker.alerts.models import AlertAction, AlertOutcome, AlertState, Report, StoredAlert
from issue_tracker.alerts.queries import namespace
from issue_tracker.alerts.repetitions import count_repetitions
from issue_tracker.clock import now
from issue_tracker.companies.queries import Company, get_companies_by_id, lock_for_assignment, unknown_companies
from issue_tracker.field_errors import FieldErrors
from issue_tracker.issues.assignments import refuse_archived
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import find_status
from issue_tracker.names import key
from issue_tracker.status import Status


def receive(
    tx: Connection, actor: Actor, reports: Sequence[Report], *, receiver_id: int | None = None
) -> list[AlertOutcome]:
    """Applies the reports, ordered by issue, and returns the outcome of each in the order of `reports`.

    The keys must be distinct; those of a receiver are separate. Repetitions are not counted if a report is given
    `again`. Raises Invalid for every `issue` that no issue can be called, and every archived company of a strict
    report; or else NotFound, which quotes every unknown company of a strict report; and Forbidden without helpdesk
    access. Nothing was changed then.
    """
    whose = namespace(actor) if receiver_id is None else -receiver_id
    return receive_together(tx, [Batch(actor, whose, reports)])


def receive_together(tx: Connection, batches: Sequence[Batch]) -> list[AlertOutcome]:
    """Like `receive`, for several receivers, each with one batch. Returns the outcomes in the order of the batches."""
    for batch in batches:
        require_helpdesk(batch.actor)
    at = now()
    locked = lock_batches(tx, batches, at)
    outcomes: dict[tuple[int, str], AlertOutcome] = {}
    errors, unknown = FieldErrors(), list[str]()
    changing = [(each, report) for each in locked for report in each.changing]
    # What fires comes first, and keeps open what other alerts of the same message no longer keep open. New issues are
    # always opened in the same order, so that two senders do not deadlock.
    for each, report in sorted(
        changing, key=lambda one: (one[1].state is AlertState.RESOLVED, key(one[1].issue or ""))
    ):
        with errors.collected():
            try:
                outcomes[each.batch.namespace, report.key] = _apply(tx, each, report, at)
            except _UnknownCompany as refused:
                unknown.append(refused.name)
    errors.raise_found()
    if unknown:
        raise unknown_companies(unknown)
    for each in locked:
        whose, reports = each.batch.namespace, each.batch.reports
        repeated = [each.stored[report.key] for report in reports if (whose, report.key) not in outcomes]
        again = any(report.again for report in reports)
        counted = count_repetitions(tx, each.batch.actor, repeated, at, again=again)
        outcomes |= {(whose, alert_key): outcome for alert_key, outcome in counted.items()}
    return [outcomes[batch.namespace, report.key] for batch in batches for report in batch.reports]


def outcome_of(
    alert_key: str,
    state: AlertState,
    action: AlertAction,
    *,
    issue: IssueHead | None = None,
    company: Company | None = None,
    status: Status | None = None,
    count: int,
) -> AlertOutcome:
    """Returns an outcome with the names of the assignment, if there is one."""
    return AlertOutcome(
        key=str(alert_key),
        state=state,
        action=action,
        issue_name=issue.name if issue else None,
        company_name=company.name if company else None,
        status=status,
        count=count,
    )


def _apply(tx: Connection, locked: LockedBatch, report: Report, at: datetime) -> AlertOutcome:
    actor, alert = locked.batch.actor, locked.stored.get(report.key)
    if alert is None:
        return outcome_of(report.key, report.state, AlertAction.IGNORED, count=0)
    if report.state is AlertState.FIRING:
        return _fire(tx, actor, report, alert, locked.known.get(key(report.company or "")), at)
    return _clear(tx, actor, report, alert, at)


def _fire(
    tx: Connection, actor: Actor, report: Report, alert: StoredAlert, company: Company | None, at: datetime
) -> AlertOutcome:
    repeated = alert.state is AlertState.FIRING and alert.count > 0
    if alert.company_id is not None and alert.company_key == key(report.company or ""):
        company = get_companies_by_id(tx, actor, [alert.company_id]).get(alert.company_id)
    if company is not None:
        # Otherwise a company that is archived meanwhile would make the whole message fail.
        company = lock_for_assignment(tx, actor.company_access, [company]).get(company.company_id)
    accepted = company is not None and _accepts(tx, actor, report, alert, company)
    if report.strict and not accepted:
        _refuse(report, company)
    count = alert.count + (not report.again) if repeated else 1
    values = columns_of_details(report) | {"count": count, "due_at": None, "unsorted": False}
    if not report.again:
        values["last_at"] = at
    if not repeated:
        changes = noted(alert, report, at)
        began = report.since or at
        values |= {"changed_at": began, "changes": changes.stored, "flapping": alert.flapping and changes.flapping}
        if alert.due_at is not None:
            # The alert was not resolved for the required time, so it cleared nothing. But a person may have resolved or
            # removed the assignment, because the alert seemed to be over.
            outcome = _with_assignment(tx, actor, report, alert, AlertAction.KEPT, count)
            if outcome.status is not None and outcome.status.open:
                # The names remain those of the assignment that it keeps, even if the report contains others.
                store(tx, alert, **values)
                return outcome
    values |= columns_of_names(report)
    if report.issue is None or company is None or not accepted:
        store(tx, alert, **values | {"unsorted": True, "issue_id": None, "company_id": None, "opening_event_id": None})
        return outcome_of(report.key, report.state, AlertAction.UNSORTED, count=count)
    due_at = (alert.changed_at if repeated else report.since or at) + report.hold
    if due_at > at:
        # The company remains known, as it may be renamed before the hold ends.
        store(tx, alert, **values | {"due_at": due_at, "issue_id": None, "company_id": company.company_id})
        return outcome_of(report.key, report.state, AlertAction.HELD, company=company, count=count)
    issue, action = open_assignment(tx, actor, report, find_issue(tx, actor, report, alert), company)
    ids = issue.issue_id, company.company_id
    opening = opening_event(tx, actor, *ids, action is not AlertAction.KEPT)
    store(tx, alert, **values, issue_id=ids[0], company_id=ids[1], opening_event_id=opening)
    status = find_status(tx, actor, *ids)
    return outcome_of(report.key, report.state, action, issue=issue, company=company, status=status, count=count)


def _clear(tx: Connection, actor: Actor, report: Report, alert: StoredAlert, at: datetime) -> AlertOutcome:
    changes = noted(alert, report, at)
    values: dict[str, object] = {"state": AlertState.RESOLVED.value, "count": 1, "changed_at": at, "last_at": at}
    values |= {"changes": changes.stored, "flapping": changes.flapping}
    steady = max(report.steady, report.flap_period) if changes.flapping else report.steady
    if steady and alert.issue_id is not None:
        if changes.flapping and not alert.flapping:
            say_flapping(tx, actor, alert, report)
        # The summary becomes the note of the change: that of the firing alert would contradict it.
        held = {"cleared_status": report.cleared_status.value, "summary": report.summary}
        store(tx, alert, **values, **held, due_at=at + steady)
        return _with_assignment(tx, actor, report, alert, AlertAction.HELD, 1)
    store(tx, alert, **values, due_at=None)
    alert = msgspec.structs.replace(alert, cleared_status=report.cleared_status)
    action, issue, company, status = clear_assignment(tx, actor, alert, report.summary)
    return outcome_of(report.key, report.state, action, issue=issue, company=company, status=status, count=1)


def _with_assignment(
    tx: Connection, actor: Actor, report: Report, alert: StoredAlert, action: AlertAction, count: int
) -> AlertOutcome:
    issue, company = find_subject(tx, actor, alert.issue_id, alert.company_id)
    status = find_status(tx, actor, issue.issue_id, company.company_id) if issue and company else None
    return outcome_of(report.key, report.state, action, issue=issue, company=company, status=status, count=count)


def _accepts(tx: Connection, actor: Actor, report: Report, alert: StoredAlert, company: Company) -> bool:
    """Returns whether the issue of a firing alert accepts the company: an archived one must be assigned already."""
    if not company.archived:
        return True
    issue = find_issue(tx, actor, report, alert)
    return issue is not None and find_status(tx, actor, issue.issue_id, company.company_id) is not None


class _UnknownCompany(Exception):
    """A strict report is about a company that does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _refuse(report: Report, company: Company | None) -> NoReturn:
    """Raises Invalid for an archived company, and _UnknownCompany for one that does not exist."""
    if company is not None:
        refuse_archived([company], f"{report.field}company")
    raise _UnknownCompany(report.company or "")
