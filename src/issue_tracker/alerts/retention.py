"""What is forgotten of alerts: those that are resolved or unsorted and were not reported for a long time."""

from datetime import datetime

from sqlalchemy import Connection, and_, delete, or_, select

from issue_tracker.alerts.models import AlertState
from issue_tracker.database.tables import alerts

BATCH = 1000
"""Rows to delete in one transaction, so that writers wait for milliseconds only."""


def prune_alerts(tx: Connection, before: datetime) -> int:
    """Deletes a batch of the alerts that were last reported before an instant and have nothing open.

    Returns how many; 0 when none are left.
    """
    done = and_(alerts.c.state == AlertState.RESOLVED.value, alerts.c.due_at.is_(None))
    old = select(alerts.c.alert_id).where(alerts.c.last_at < before, or_(done, alerts.c.unsorted))
    ids = list(tx.execute(old.order_by(alerts.c.last_at).limit(BATCH)).scalars())
    if ids:
        tx.execute(delete(alerts).where(alerts.c.alert_id.in_(ids)))
    return len(ids)


def prune_unsorted(tx: Connection, most: int) -> int:
    """Deletes a batch of the oldest unsorted alerts, so that `most` are left in the end.

    Returns how many; 0 at the end.
    """
    newest_first = select(alerts.c.alert_id).where(alerts.c.unsorted).order_by(alerts.c.alert_id.desc())
    ids = list(tx.execute(newest_first.offset(most).limit(BATCH)).scalars())
    if ids:
        tx.execute(delete(alerts).where(alerts.c.alert_id.in_(ids)))
    return len(ids)
