"""What is not kept for ever: delivered messages with their attempts, and the audit of sign-ins. Issues' history is."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from issue_tracker.database.tables import deliveries, delivery_attempts, events
from issue_tracker.events.catalog import EventType
from issue_tracker.events.messages import State

PIECE = 1000
"""Rows to delete in one transaction, so that writers wait for milliseconds only."""

SIGN_INS = (EventType.SESSION_CREATED.value, EventType.SESSION_FAILED.value)


def prune_deliveries(tx: Connection, before: datetime) -> int:
    """Deletes a piece of the finished deliveries made before then, with their attempts; returns how many."""
    old = (
        select(deliveries.c.id)
        .where(deliveries.c.created_at < before, deliveries.c.state != State.PENDING.value)
        .order_by(deliveries.c.created_at)
        .limit(PIECE)
    )
    ids = list(tx.execute(old).scalars())
    if ids:
        tx.execute(delete(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(ids)))
        tx.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))
    return len(ids)


def prune_sign_ins(tx: Connection, before: datetime) -> int:
    """Deletes a piece of the sign-ins recorded before then; returns how many."""
    deleted = 0
    for type_ in SIGN_INS:
        # Numbers grow with time, so the oldest of a type come first in its index.
        oldest = select(events.c.event_id, events.c.at).where(events.c.type == type_)
        rows = tx.execute(oldest.order_by(events.c.event_id).limit(PIECE)).all()
        ids = [row.event_id for row in rows if row.at < before]
        if ids:
            tx.execute(delete(events).where(events.c.event_id.in_(ids)))
        deleted += len(ids)
    return deleted
