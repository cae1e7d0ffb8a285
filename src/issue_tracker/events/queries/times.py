"""Where in the log a time is."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from issue_tracker.database.tables import events

SKEW = 1_000
"""How far apart, in event_ids, two events of simultaneous transactions may be whose times are in the other order."""


def between(tx: Connection, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    """The conditions that an event was recorded at `since` or later, and before `until`; None for no limit.

    Times grow with the numbers, nearly: the range of the primary key keeps the database from reading all events.
    """
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions += [events.c.at >= since, events.c.event_id >= first_id_at(tx, since) - SKEW]
    if until is not None:
        conditions += [events.c.at < until, events.c.event_id <= first_id_at(tx, until) + SKEW]
    return conditions


def first_id_at(tx: Connection, moment: datetime) -> int:
    """The lowest event_id from which on events are not before this moment, about: by halving the range of ids."""
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
