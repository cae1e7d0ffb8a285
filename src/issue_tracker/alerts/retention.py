"""Deletes old alerts: those that are resolved or unsorted and have not been reported for a long time."""

from datetime import datetime

from sqlalchemy import Connection, and_, delete, or_, select

from issue_tracker.alerts.models import AlertState
from issue_tracker.database.tables import alerts

BATCH = 1000
"""Number of rows deleted in one transaction, so that other writers wait only for milliseconds."""


def prune_alerts(tx: Connection, before: datetime) -> int:
    """Deletes a batch of alerts that were last reported before an instant, and that are resolved or unsorted.

    Returns their number; 0 if none are left.
    """
    done = and_(alerts.c.state == AlertState.RESOLVED.value, alerts.c.due_at.is_(None))
    old = select(alerts.c.alert_id).where(alerts.c.last_at < before, or_(done, alerts.c.unsorted))
    ids = list(tx.execute(old.order_by(alerts.c.last_at).limit(BATCH)).scalars())
    if ids:
        tx.execute(delete(alerts).where(alerts.c.alert_id.in_(ids)))
    return len(ids)


def prune_unsorted(tx: Connection, most: int) -> int:
    """Deletes a batch of the oldest unsorted alerts beyond the newest `most`.

    Returns their number; 0 if none are left.
    """
    newest_first = select(alerts.c.alert_id).where(alerts.c.unsorted).order_by(alerts.c.alert_id.desc())
    ids = list(tx.execute(newest_first.offset(most).limit(BATCH)).scalars())
    if ids:
        tx.execute(delete(alerts).where(alerts.c.alert_id.in_(ids)))
    return len(ids)
