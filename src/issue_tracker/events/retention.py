"""Deletes what is not stored forever: finished deliveries with their attempts, and the audit of sign-ins.

The history of issues is never deleted.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

from issue_tracker.actor import ALL_COMPANIES
from issue_tracker.database.tables import deliveries, delivery_attempts, events
from issue_tracker.events.catalog import FAILURES, SIGN_INS, EventType
from issue_tracker.events.queries.log import list_event_ids_beyond, list_oldest_event_ids
from issue_tracker.events.queries.webhooks import State

BATCH = 1000
"""Number of rows deleted in one transaction, so that other writers wait only for milliseconds."""


def prune_deliveries(tx: Connection, before: datetime) -> int:
    """Deletes a batch of finished deliveries created before an instant, with their attempts.

    Returns the number of deleted deliveries; 0 if none are left. On PostgreSQL, one that another transaction changes at
    this moment is left out: it may be queued again.
    """
    old = (
        select(deliveries.c.id)
        .where(deliveries.c.created_at < before, deliveries.c.state != State.PENDING.value)
        .order_by(deliveries.c.created_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    ids = list(tx.execute(old).scalars())
    if ids:
        tx.execute(delete(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(ids)))
        tx.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))
    return len(ids)


def prune_failures(tx: Connection, most: int) -> int:
    """Deletes a batch of the oldest failures beyond the newest `most`. Returns their number; 0 if none are left."""
    ids = list_event_ids_beyond(tx, ALL_COMPANIES, FAILURES, most=most, limit=BATCH)
    if ids:
        tx.execute(delete(events).where(events.c.event_id.in_(ids)))
    return len(ids)


def prune_sign_ins(tx: Connection, before: datetime, types: Sequence[EventType] = SIGN_INS) -> int:
    """Deletes a batch of sign-in events recorded before an instant. Returns their number; 0 if none are left."""
    deleted = 0
    for type_ in types:
        ids = list_oldest_event_ids(tx, ALL_COMPANIES, type_, before=before, limit=BATCH)
        if ids:
            tx.execute(delete(events).where(events.c.event_id.in_(ids)))
        deleted += len(ids)
    return deleted
