"""Alerts with a deadline: firing alerts on hold, and resolved ones that must stay resolved for some time (`rules`).

One thread of each process handles them. Each alert is handled in its own transaction; on PostgreSQL, the other
processes skip an alert that is being handled.
"""

import threading
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, select

from issue_tracker.actor import Actor
from issue_tracker.alerts.assignment import clear_assignment, find_issue, open_assignment, opening_event, store
from issue_tracker.alerts.models import AlertAction, AlertState, Report
from issue_tracker.alerts.queries import STORED, stored_alert
from issue_tracker.alerts.receivers import find_receiver_by_id
from issue_tracker.clock import now
from issue_tracker.companies.queries import find_companies, lock_for_assignment
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import alerts
from issue_tracker.errors import AppError, Unavailable
from issue_tracker.issues.models import SEVERITIES
from issue_tracker.names import key, parse_issue_name

log = structlog.get_logger("issue_tracker.alerts")

INTERVAL_SECONDS = 5.0


class DueAlerts:
    """Handles alerts that are due, in one process. `run` is the body of a thread, which `close` ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closed = threading.Event()

    def run(self) -> None:
        while not self._closed.wait(INTERVAL_SECONDS):
            try:
                self.handle_all(now())
            except Unavailable:
                continue  # the alerts remain due
            except Exception:
                log.exception("handling alerts that are due failed")

    def close(self) -> None:
        """Stops after the alert that is being handled."""
        self._closed.set()

    def handle_all(self, at: datetime) -> int:
        """Handles every alert that is due at `at`, and returns their number. Raises Unavailable."""
        with self._database.read() as tx:
            due = list(tx.execute(select(alerts.c.alert_id).where(alerts.c.due_at <= at).limit(1000)).scalars())
        handled = 0
        for alert_id in due:
            if self._closed.is_set():
                break
            with self._database.write() as tx:
                handled += _handle(tx, alert_id, at)
        return handled


def _handle(tx: Connection, alert_id: int, at: datetime) -> bool:
    columns = alerts.c.company_text, alerts.c.issue_text, alerts.c.severity, alerts.c.url
    locked = select(*STORED, *columns).where(alerts.c.alert_id == alert_id).with_for_update(skip_locked=True)
    row = tx.execute(locked).first()
    if row is None or row.due_at is None or row.due_at > at:
        return False
    receiver = find_receiver_by_id(tx, -row.namespace)
    alert = stored_alert(row)
    store(tx, alert, due_at=None, flapping=False)
    if receiver is None:
        return True
    if alert.state is AlertState.RESOLVED:
        clear_assignment(tx, receiver.actor(), alert, alert.summary)
    else:
        _open(tx, receiver.actor(), row)
    return True


def _open(tx: Connection, actor: Actor, row: Any) -> None:
    """Opens the assignment of an alert that has been firing for the required time."""
    alert = stored_alert(row)
    company = find_companies(tx, actor, [row.company_text]).get(key(row.company_text))
    if company is not None:
        company = lock_for_assignment(tx, actor.company_access, [company]).get(company.company_id)
    if company is None or company.archived:
        store(tx, alert, unsorted=True)
        return
    report = Report(
        key=row.key,
        state=AlertState.FIRING,
        issue=parse_issue_name(row.issue_text),
        company=row.company_text,
        severity=SEVERITIES[row.severity],
        summary=row.summary,
        url=row.url,
    )
    try:
        issue, action = open_assignment(tx, actor, report, find_issue(tx, actor, report, alert), company)
    except AppError as refused:
        log.warning("an alert could not open its issue", alert=row.alert_id, reason=refused.detail)
        store(tx, alert, unsorted=True)
        return
    ids = issue.issue_id, company.company_id
    opening = opening_event(tx, actor, *ids, action is not AlertAction.KEPT)
    store(tx, alert, issue_id=ids[0], company_id=ids[1], opening_event_id=opening)
