"""The assignment that an alert is about: how it is opened, and when an alert may clear it."""

from sqlalchemy import Connection, update

from issue_tracker.actor import Actor
from issue_tracker.alerts.models import AlertAction, Report, StoredAlert
from issue_tracker.alerts.queries import is_kept_open_by_another
from issue_tracker.companies.queries import Company, get_companies_by_id
from issue_tracker.database.tables import alerts
from issue_tracker.errors import Invalid
from issue_tracker.issues.assignments import NewAssignment, set_status
from issue_tracker.issues.fields import IssueFields
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.operations import create_issue
from issue_tracker.issues.queries.former import find_issue_by_any_name
from issue_tracker.issues.queries.issue import find_issue_head, find_issue_head_by_id, find_status
from issue_tracker.issues.queries.opened_by_alerts import find_last_event, find_opening_event
from issue_tracker.issues.updates.operations import add_update
from issue_tracker.names import NOTE_LIMIT, UpdateText, key
from issue_tracker.new_names import require_visible
from issue_tracker.status import FINISHED, Status

SHOWN = 9000
"""Maximum length of a summary in an update, in characters; an update may have 10,000."""


def store(tx: Connection, alert: StoredAlert, **values: object) -> None:
    """Updates columns of an alert."""
    tx.execute(update(alerts).where(alerts.c.alert_id == alert.alert_id).values(values))


def find_issue(tx: Connection, actor: Actor, report: Report, alert: StoredAlert) -> IssueHead | None:
    """Returns the issue that a firing alert belongs to, locked; it remains the same issue under another name."""
    name = report.issue or ""
    if alert.issue_id is not None and alert.issue_key == key(name):
        found = find_issue_head_by_id(tx, actor, alert.issue_id, lock=True)
        if found is not None:
            return found
    return find_issue_by_any_name(tx, actor, name, lock=True)


def find_subject(
    tx: Connection, actor: Actor, issue_id: int | None, company_id: int | None
) -> tuple[IssueHead | None, Company | None]:
    """Returns the issue of a stored alert, locked, and its company; None for one that it does not have, or that no
    longer exists.
    """
    if issue_id is None or company_id is None:
        return None, None
    company = get_companies_by_id(tx, actor, [company_id]).get(company_id)
    return find_issue_head_by_id(tx, actor, issue_id, lock=True), company


def open_assignment(
    tx: Connection, actor: Actor, report: Report, issue: IssueHead | None, company: Company
) -> tuple[IssueHead, AlertAction]:
    """Makes sure that the company is assigned to the issue, with an open status.

    Returns the issue and what was done. Raises Invalid for the report's `issue`, if the actor cannot use the name.
    """
    if issue is None:
        issue = _create(tx, actor, report, company)
        if issue is not None:
            return issue, AlertAction.OPENED
        # Another request created it first.
        issue = find_issue_head(tx, actor, report.issue or "", lock=True)
        if issue is None:
            raise Invalid.field(f"{report.field}issue", f"an issue called “{report.issue}” already exists")
    status = find_status(tx, actor, issue.issue_id, company.company_id)
    if status is not None and status not in FINISHED:
        return issue, AlertAction.KEPT
    changed = set_status(tx, actor, issue, company, Status.INVESTIGATING, note_of(report.summary))
    return changed, AlertAction.ASSIGNED if status is None else AlertAction.REOPENED


def opening_event(tx: Connection, actor: Actor, issue_id: int, company_id: int, new: bool) -> int | None:
    """Returns the event by which alerts opened the assignment: its last event if they have just opened it (`new`),
    otherwise the last one that an alert has stored; None if a person had opened it.
    """
    return (find_last_event if new else find_opening_event)(tx, actor, issue_id, company_id)


def is_unchanged(tx: Connection, actor: Actor, issue_id: int, company_id: int) -> bool:
    """Returns whether alerts opened the assignment, and nobody has changed it since. It does not matter which of them
    opened it: a person may have finished it, and another alert may have reopened it.
    """
    opening = find_opening_event(tx, actor, issue_id, company_id)
    last = find_last_event(tx, actor, issue_id, company_id)
    # For a flapping alert, earlier programs stored a later event: that of its update.
    return opening is not None and last is not None and last <= opening


def clear_assignment(
    tx: Connection, actor: Actor, alert: StoredAlert, summary: str | None
) -> tuple[AlertAction, IssueHead | None, Company | None, Status | None]:
    """Sets the assignment of a resolved alert to its `cleared_status`, if alerts opened it, nobody has changed it
    since, and no other alert keeps it open. If a person has changed it, adds an internal update which says that the
    alert is over. Returns what was done, and the assignment.
    """
    issue, company = find_subject(tx, actor, alert.issue_id, alert.company_id)
    if issue is None or company is None:
        return AlertAction.IGNORED, None, None, None
    status = find_status(tx, actor, issue.issue_id, company.company_id)
    ids = issue.issue_id, company.company_id
    if status is None or status in FINISHED or is_kept_open_by_another(tx, actor, alert.alert_id, *ids):
        return AlertAction.KEPT, issue, company, status
    if not is_unchanged(tx, actor, *ids):
        add_update(tx, actor, issue, _over(alert, summary), companies=[company])
        return AlertAction.KEPT, issue, company, status
    issue = set_status(tx, actor, issue, company, alert.cleared_status, note_of(summary))
    if alert.cleared_status.open:
        # An alert that fires again finds the status as alerts left it, rather than as a person did.
        store(tx, alert, opening_event_id=find_last_event(tx, actor, *ids))
    return AlertAction.CLEARED, issue, company, alert.cleared_status


def note_of(summary: str | None) -> str | None:
    """Returns the summary as the note of an event."""
    return (summary or "")[:NOTE_LIMIT] or None


def _create(tx: Connection, actor: Actor, report: Report, company: Company) -> IssueHead | None:
    """Creates the issue and returns it; None if its name has been taken meanwhile."""
    assert report.issue is not None
    require_visible(f"{report.field}issue", report.issue)
    members = [NewAssignment(company, Status.INVESTIGATING)]
    try:
        fields = IssueFields(severity=report.severity)
        return create_issue(tx, actor, report.issue, report.summary, members, fields=fields)
    except Invalid as refused:
        if all(wrong.field != "name" for wrong in refused.fields):
            raise
        return None


def _over(alert: StoredAlert, summary: str | None) -> UpdateText:
    """Returns the update for an assignment that only a person can finish."""
    said = f"\n\n{summary[:SHOWN]}" if summary else ""
    return UpdateText(f"Monitoring reports that the alert “{alert.key}” is over.{said}")
