"""The order of events on PostgreSQL: which numbers are settled (docs/decisions/0004-event-order.md).

A transaction takes its own number before it takes an event's, and commits later than both. So below a visible event
another may still appear. It cannot any more once every transaction that had a number when the gap was seen has ended.
"""

import time
from itertools import pairwise

from sqlalchemy import Connection, func, select, text

from issue_tracker.database.engine import Database
from issue_tracker.database.tables import events
from issue_tracker.events.queries import last_event_id

WINDOW = 10_000
"""How many of the last numbers are searched for gaps; older ones wait for the fence without a look."""

PATIENCE_SECONDS = 0.5


def fence(database: Database) -> int:
    """A transaction number that is higher than any taken before this call."""
    with database.read() as tx:
        return int(tx.execute(text("SELECT pg_current_xact_id()::text")).scalar_one())


def passed(tx: Connection, fenced: int) -> bool:
    """Whether every transaction numbered up to `fenced` has ended, and this snapshot shows what it did."""
    horizon = tx.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")).scalar_one()
    return int(horizon) > fenced


def settled_until(database: Database, after: int) -> int:
    """A number up to which no event after `after` is still to appear, so that a reader may go on from it.

    Waits a moment for transactions under way; after that, it is the number before the first gap.
    """
    with database.read() as tx:
        last = last_event_id(tx)
        if database.sqlite or last <= after:
            return last
        if last - after <= WINDOW:
            known = select(func.count()).where(events.c.event_id > after, events.c.event_id <= last)
            if tx.execute(known).scalar_one() == last - after:
                return last
    fenced = fence(database)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with database.read() as tx:
            if passed(tx, fenced):
                return last
        time.sleep(0.01)
    with database.read() as tx:
        query = select(events.c.event_id).where(events.c.event_id > after).order_by(events.c.event_id).limit(WINDOW)
        return before_first_gap(after, list(tx.execute(query).scalars()))


def before_first_gap(after: int, ids: list[int]) -> int:
    """The last of `ids`, ascending and greater than `after`, that is reached from `after` without a gap."""
    for previous, number in pairwise([after, *ids]):
        if number != previous + 1:
            return previous
    return ids[-1] if ids else after
