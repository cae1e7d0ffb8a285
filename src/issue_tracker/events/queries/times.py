"""The positions of times in the log."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from issue_tracker.database.tables import events

SKEW = 1_000
"""Maximum distance, in event_ids, of two events of concurrent transactions whose times are in reverse order."""


def between(tx: Connection, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    """Returns the conditions that an event was recorded at `since` or later, and before `until`; None for no limit.

    Times grow almost exactly with the ids, so a range of the primary key spares the database from reading all events.
    """
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions += [events.c.at >= since, events.c.event_id >= first_id_at(tx, since) - SKEW]
    if until is not None:
        conditions += [events.c.at < until, events.c.event_id <= first_id_at(tx, until) + SKEW]
    return conditions


def first_id_at(tx: Connection, moment: datetime) -> int:
    """Returns approximately the lowest event_id recorded at this time or later, by binary search over the ids."""
    low, high = 1, (tx.execute(select(func.max(events.c.event_id))).scalar_one() or 0) + 1
    while low < high:
        middle = (low + high) // 2
        next_at = select(events.c.at).where(events.c.event_id >= middle).order_by(events.c.event_id).limit(1)
        at = tx.execute(next_at).scalar_one_or_none()
        if at is None or at >= moment:
            high = middle
        else:
            low = middle + 1
    return low
