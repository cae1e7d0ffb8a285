"""Deletes old alerts: those that are resolved or unsorted and have not been reported for a long time."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, or_, select

from issue_tracker.alerts.models import AlertState
from issue_tracker.database.tables import alerts

BATCH = 1000
"""Number of rows deleted in one transaction, so that other writers wait only for milliseconds."""


def prune_alerts(tx: Connection, before: datetime) -> int:
    """Deletes a batch of alerts that were last reported before an instant, and that are resolved or unsorted.

    Returns their number; 0 if none are left.
    """
    done = and_(alerts.c.state == AlertState.RESOLVED.value, alerts.c.due_at.is_(None))
    old = alerts.c.last_at < before, or_(done, alerts.c.unsorted)
    return _delete(tx, select(alerts.c.alert_id).where(*old).order_by(alerts.c.last_at).limit(BATCH), old)


def prune_unsorted(tx: Connection, most: int) -> int:
    """Deletes a batch of the oldest unsorted alerts beyond the newest `most`.

    Returns their number; 0 if none are left.
    """
    newest_first = select(alerts.c.alert_id).where(alerts.c.unsorted).order_by(alerts.c.alert_id.desc())
    return _delete(tx, newest_first.offset(most).limit(BATCH), [alerts.c.unsorted])


def _delete(tx: Connection, chosen: Select[tuple[int]], conditions: Sequence[ColumnElement[bool]]) -> int:
    """Deletes the chosen alerts that still meet the conditions, and returns their number.

    On PostgreSQL, an alert that is being reported is left out: it may be firing again, and waiting for it while other
    alerts are locked could be a deadlock.
    """
    ids = list(tx.execute(chosen).scalars())
    free = select(alerts.c.alert_id).where(alerts.c.alert_id.in_(ids), *conditions).with_for_update(skip_locked=True)
    locked = list(tx.execute(free).scalars()) if ids else []
    if locked:
        tx.execute(delete(alerts).where(alerts.c.alert_id.in_(locked)))
    return len(locked)
