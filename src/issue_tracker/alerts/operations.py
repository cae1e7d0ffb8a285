"""What a report of monitoring changes (contract, section 14): one operation, for one alert or many.

A report never undoes what a person did. An alert that fires again and again is counted; only a change of its state can
change an assignment, and only while nobody else has. So a technician may set any status, rename the issue or take the
company off it, and the next repetition leaves that alone.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, update
from sqlalchemy.dialects import postgresql, sqlite

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.alerts.models import AlertAction, AlertOutcome, AlertState, Report, StoredAlert
from issue_tracker.alerts.queries import find_last_event, find_others_firing, lock_alerts, namespace
from issue_tracker.clock import now
from issue_tracker.companies.queries import Company, find_companies, get_companies_by_id
from issue_tracker.database.tables import alerts
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.issues.assignments import NewAssignment, refuse_archived, set_status
from issue_tracker.issues.fields import IssueFields
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.operations import create_issue
from issue_tracker.issues.queries.issue import find_issue_head, find_issue_head_by_id, find_status
from issue_tracker.names import NOTE_LIMIT, key
from issue_tracker.new_names import require_visible
from issue_tracker.status import FINISHED, Status


def receive(tx: Connection, actor: Actor, reports: Sequence[Report]) -> list[AlertOutcome]:
    """Does what the reports say, in their order of issues, and returns the outcome of each, in the order given.

    Keys differ. Raises NotFound for an unknown company of a strict report and Invalid, on its `issue`, for a name that
    no issue can get; nothing was changed then. Raises Forbidden without helpdesk access.
    """
    require_helpdesk(actor)
    at = now()
    stored = _lock(tx, actor, reports, at)
    known = find_companies(tx, actor, [report.company for report in reports if report.company is not None])
    outcomes: dict[int, AlertOutcome] = {}
    # Everybody opens and locks issues in the same order, so that two senders do not wait for each other.
    for place, report in sorted(enumerate(reports), key=lambda numbered: key(numbered[1].issue or "")):
        alert = stored.get(report.key)
        if alert is None:
            outcomes[place] = _outcome(report, AlertAction.IGNORED, count=0)
        elif report.state is AlertState.FIRING:
            outcomes[place] = _fire(tx, actor, report, alert, known.get(key(report.company or "")), at)
        else:
            outcomes[place] = _clear(tx, actor, report, alert, at)
    return [outcomes[place] for place in range(len(reports))]


def _lock(tx: Connection, actor: Actor, reports: Sequence[Report], at: datetime) -> dict[str, StoredAlert]:
    """The alerts of the reports by key, locked. Those that fire for the first time are inserted, with a count of 0."""
    found = lock_alerts(tx, actor, [report.key for report in reports])
    new = {
        report.key: report
        for report in sorted(reports, key=lambda report: report.key)
        if report.state is AlertState.FIRING and report.key not in found
    }
    if not new:
        return found
    same = {"namespace": namespace(actor), "count": 0, "first_at": at, "changed_at": at, "last_at": at}
    rows = [{**same, **_columns(report), "key": report.key} for report in new.values()]
    insert = postgresql.insert(alerts) if tx.dialect.name == "postgresql" else sqlite.insert(alerts)
    tx.execute(insert.on_conflict_do_nothing(), rows)
    return found | lock_alerts(tx, actor, new)


def _fire(
    tx: Connection, actor: Actor, report: Report, alert: StoredAlert, company: Company | None, at: datetime
) -> AlertOutcome:
    repeated = alert.state is AlertState.FIRING and alert.count > 0
    if repeated and alert.issue_id is not None:
        return _count(tx, actor, report, alert, at)
    same_company = alert.company_id is not None and alert.company_key == key(report.company or "")
    if same_company and alert.company_id is not None:
        company = get_companies_by_id(tx, actor, [alert.company_id]).get(alert.company_id)
    if report.strict:
        _require_assignable(report, company)
    count = alert.count + 1 if repeated else 1
    changed_at = alert.changed_at if repeated else at
    values = _columns(report) | {"count": count, "changed_at": changed_at, "last_at": at}
    if company is None or company.archived:
        _store(tx, alert, **values, issue_id=None, company_id=None, opening_event_id=None)
        return _outcome(report, AlertAction.UNSORTED, count=count)
    issue, action = _open(tx, actor, report, _find_issue(tx, actor, report, alert), company)
    if action is AlertAction.KEPT:
        others = find_others_firing(tx, actor, alert.alert_id, issue.issue_id, company.company_id)
        opening = next((event_id for event_id in others if event_id is not None), None)
    else:
        opening = find_last_event(tx, actor, issue.issue_id, company.company_id)
    _store(tx, alert, **values, issue_id=issue.issue_id, company_id=company.company_id, opening_event_id=opening)
    status = find_status(tx, actor, issue.issue_id, company.company_id)
    return _outcome(report, action, issue=issue, company=company, status=status, count=count)


def _find_issue(tx: Connection, actor: Actor, report: Report, alert: StoredAlert) -> IssueHead | None:
    """The issue that a firing alert belongs to, locked. It stays the same under another name."""
    name = report.issue or ""
    if alert.issue_id is not None and alert.issue_key == key(name):
        found = find_issue_head_by_id(tx, actor, alert.issue_id, lock=True)
        if found is not None:
            return found
    return find_issue_head(tx, actor, name, lock=True)


def _open(
    tx: Connection, actor: Actor, report: Report, issue: IssueHead | None, company: Company
) -> tuple[IssueHead, AlertAction]:
    """Makes sure that the company is assigned to the issue and that somebody works on it, or should."""
    note = (report.summary or "")[:NOTE_LIMIT] or None
    if issue is None:
        issue = _create(tx, actor, report, company)
        if issue is not None:
            return issue, AlertAction.OPENED
        # Another request was faster to create it.
        issue = find_issue_head(tx, actor, report.issue or "", lock=True)
        if issue is None:
            raise Invalid.field(f"{report.field}issue", f"an issue called “{report.issue}” exists already")
    status = find_status(tx, actor, issue.issue_id, company.company_id)
    if status is not None and status not in FINISHED:
        return issue, AlertAction.KEPT
    changed = set_status(tx, actor, issue, company, Status.INVESTIGATING, note)
    return changed, AlertAction.ASSIGNED if status is None else AlertAction.REOPENED


def _create(tx: Connection, actor: Actor, report: Report, company: Company) -> IssueHead | None:
    """The new issue, or None when its name has been taken meanwhile."""
    assert report.issue is not None
    require_visible(f"{report.field}issue", report.issue)
    members = [NewAssignment(company, Status.INVESTIGATING)]
    try:
        return create_issue(
            tx, actor, report.issue, report.summary, members, fields=IssueFields(severity=report.severity)
        )
    except Invalid:
        return None


def _clear(tx: Connection, actor: Actor, report: Report, alert: StoredAlert, at: datetime) -> AlertOutcome:
    if alert.state is AlertState.RESOLVED:
        return _count(tx, actor, report, alert, at)
    _store(tx, alert, state=AlertState.RESOLVED.value, count=1, changed_at=at, last_at=at)
    if alert.issue_id is None or alert.company_id is None:
        return _outcome(report, AlertAction.IGNORED, count=1)
    issue = find_issue_head_by_id(tx, actor, alert.issue_id, lock=True)
    company = get_companies_by_id(tx, actor, [alert.company_id]).get(alert.company_id)
    if issue is None or company is None:
        return _outcome(report, AlertAction.IGNORED, count=1)
    status = find_status(tx, actor, issue.issue_id, company.company_id)
    action = AlertAction.KEPT
    if status is not None and status not in FINISHED and _may_resolve(tx, actor, alert):
        note = (report.summary or "")[:NOTE_LIMIT] or None
        issue = set_status(tx, actor, issue, company, Status.RESOLVED, note)
        status, action = Status.RESOLVED, AlertAction.CLEARED
    return _outcome(report, action, issue=issue, company=company, status=status, count=1)


def _may_resolve(tx: Connection, actor: Actor, alert: StoredAlert) -> bool:
    """Whether alerts opened the assignment, nobody has changed it since, and no other alert is firing for it."""
    assert alert.issue_id is not None and alert.company_id is not None
    if alert.opening_event_id is None or find_others_firing(
        tx, actor, alert.alert_id, alert.issue_id, alert.company_id
    ):
        return False
    return find_last_event(tx, actor, alert.issue_id, alert.company_id) == alert.opening_event_id


def _count(tx: Connection, actor: Actor, report: Report, alert: StoredAlert, at: datetime) -> AlertOutcome:
    """Counts a repetition. Nothing else is changed."""
    _store(tx, alert, count=alert.count + 1, last_at=at)
    if alert.issue_id is None or alert.company_id is None:
        return _outcome(report, AlertAction.IGNORED, count=alert.count + 1)
    issue = find_issue_head_by_id(tx, actor, alert.issue_id)
    company = get_companies_by_id(tx, actor, [alert.company_id]).get(alert.company_id)
    status = find_status(tx, actor, alert.issue_id, alert.company_id)
    return _outcome(report, AlertAction.KEPT, issue=issue, company=company, status=status, count=alert.count + 1)


def _require_assignable(report: Report, company: Company | None) -> None:
    """Raises NotFound for a company that does not exist, and Invalid for one that takes no new assignments."""
    if company is None:
        raise NotFound(f"There is no company called “{report.company}”.")
    refuse_archived([company], f"{report.field}company")


def _columns(report: Report) -> dict[str, object]:
    return {
        "state": report.state.value,
        "issue_text": report.issue or "",
        "issue_key": key(report.issue or ""),
        "company_text": report.company or "",
        "company_key": key(report.company or ""),
        "severity": report.severity and report.severity.value,
        "summary": report.summary or None,
        "url": report.url,
    }


def _store(tx: Connection, alert: StoredAlert, **values: object) -> None:
    tx.execute(update(alerts).where(alerts.c.alert_id == alert.alert_id).values(values))


def _outcome(
    report: Report,
    action: AlertAction,
    *,
    issue: IssueHead | None = None,
    company: Company | None = None,
    status: Status | None = None,
    count: int,
) -> AlertOutcome:
    return AlertOutcome(
        key=str(report.key),
        state=report.state,
        action=action,
        issue_name=issue.name if issue else None,
        company_name=company.name if company else None,
        status=status,
        count=count,
    )
