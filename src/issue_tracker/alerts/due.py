"""Alerts with a deadline: firing alerts on hold, and resolved ones that must stay resolved for some time (`rules`).

One thread of each process handles them. Each alert is handled in its own transaction; on PostgreSQL, the other
processes skip an alert that is being handled.
"""

import threading
from datetime import datetime

import msgspec
import structlog
from sqlalchemy import Connection, and_, or_, select

from issue_tracker.alerts.assignment import clear_assignment, store
from issue_tracker.alerts.messages import end_hold, labels_of
from issue_tracker.alerts.models import AlertState
from issue_tracker.alerts.queries import STORED, stored_alert
from issue_tracker.alerts.receivers import find_receiver_by_id
from issue_tracker.clock import SKEW, now
from issue_tracker.database.before_commit import savepoint
from issue_tracker.database.engine import Database
from issue_tracker.database.prepared import instant
from issue_tracker.database.tables import alerts
from issue_tracker.errors import AppError, Unavailable

log = structlog.get_logger("issue_tracker.alerts")

INTERVAL_SECONDS = 5.0

LONGEST_PAUSE = 720
"""Maximum number of rounds, an hour, for which an alert that could not be handled is left out."""


class _Pause(msgspec.Struct):
    """For how many rounds an alert is left out after its last failure, and how many of them are left."""

    rounds: int
    left: int


class DueAlerts:
    """Handles alerts that are due, in one process. `run` is the body of a thread, which `close` ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closed = threading.Event()
        self._pauses: dict[int, _Pause] = {}

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
        """Handles every alert that is due at `at`, and returns their number. An alert that cannot be handled is left
        out of the following rounds, twice as many after each failure. Raises Unavailable.
        """
        with self._database.read() as tx:
            late = or_(alerts.c.due_at <= at, and_(alerts.c.due_at.is_not(None), alerts.c.changed_at > at + SKEW))
            due = list(tx.execute(select(alerts.c.alert_id).where(late).limit(1000)).scalars())
        handled = 0
        self._pauses = {alert_id: self._pauses[alert_id] for alert_id in due if alert_id in self._pauses}
        for alert_id in due:
            if self._closed.is_set():
                break
            pause = self._pauses.get(alert_id)
            if pause is not None and pause.left:
                pause.left -= 1
                continue
            try:
                with self._database.write() as tx:
                    handled += _handle(tx, alert_id, at)
            except Unavailable:
                raise
            except Exception:  # the other alerts must be handled; the log has the reason
                log.exception("handling an alert that is due failed", alert=alert_id)
                rounds = min(2 * pause.rounds, LONGEST_PAUSE) if pause else 1
                self._pauses[alert_id] = _Pause(rounds, rounds)
        return handled


def _handle(tx: Connection, alert_id: int, at: datetime) -> bool:
    columns = alerts.c.labels, alerts.c.url
    locked = select(*STORED, *columns).where(alerts.c.alert_id == alert_id).with_for_update(skip_locked=True)
    row = tx.execute(locked).first()
    if row is None or row.due_at is None:
        return False
    alert = stored_alert(row)
    if alert.changed_at > at + SKEW:
        # The clock was wrong when the wait began: it begins again.
        store(tx, alert, changed_at=at, due_at=at + (instant(row.due_at) - alert.changed_at))
        return True
    if row.due_at > at:
        return False
    receiver = find_receiver_by_id(tx, -row.namespace)
    store(tx, alert, due_at=None, flapping=False)
    if receiver is None:
        return True
    if alert.state is AlertState.RESOLVED:
        clear_assignment(tx, receiver.actor(), alert, alert.summary)
        return True
    if not receiver.active:
        # Nor does it open anything when the receiver is switched on again: it may have been resolved meanwhile. The
        # next message that repeats it opens its issue at once, because its hold is over.
        return True
    try:
        with savepoint(tx):
            end_hold(tx, receiver, alert, labels_of(row.labels), row.url)
    except AppError as refused:
        log.warning("an alert could not open its issue", alert=alert_id, reason=refused.detail)
        store(tx, alert, unsorted=True)
    return True
