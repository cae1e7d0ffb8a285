"""The order of events on PostgreSQL: which numbers are settled (docs/decisions/0004-event-order.md).

A transaction takes its own number before it takes an event's, and commits later than both. So below a visible event
another may still appear. It cannot any more once every transaction that had a number when the gap was seen has ended.
"""

import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import msgspec
from sqlalchemy import Connection, func, select, text

from issue_tracker.database.engine import Database
from issue_tracker.database.tables import events
from issue_tracker.errors import Unavailable
from issue_tracker.events.queries import last_event_id

WINDOW = 10_000
"""How many of the last numbers are searched for gaps; older ones wait for the fence without a look."""

PATIENCE_SECONDS = 0.5

SHORT = 100
"""How many numbers a page may look at before it is worth remembering how far all is settled."""


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


class Seen(msgspec.Struct, frozen=True):
    """What a snapshot shows of the log: all that there will ever be up to `last_event_id`, and beyond it these."""

    last_event_id: int
    beyond: Sequence[int] = ()


class Watermark:
    """What a snapshot has seen of the log, and so where a page that shows it goes on in the stream.

    Keeps marks: a number with a fence that was taken when it was seen. For a snapshot that is past the fence, what
    it does not show up to that number was rolled back.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._marks: list[tuple[int, int]] = []
        self._marking = threading.Lock()

    def start(self) -> None:
        """Sets the first mark, so that no page takes what was rolled back long ago for an open gap."""
        if self._database.sqlite:
            return
        try:
            with self._database.read() as tx:
                last = last_event_id(tx)
            self._marks = [(last, fence(self._database))]
        except Unavailable:
            return  # the first page sets it

    def of(self, tx: Connection) -> Seen:
        """What this transaction's snapshot has seen. Waits for nothing: at an open gap it stops."""
        last = last_event_id(tx)
        if self._database.sqlite:
            return Seen(last)
        marks = self._marks
        settled = [number for number, fenced in marks if passed(tx, fenced)]
        start = max([last - WINDOW, 0, *settled])
        query = select(events.c.event_id).where(events.c.event_id > start).order_by(events.c.event_id)
        ids = list(tx.execute(query).scalars())
        found = before_first_gap(start, ids)
        known = marks[-1][0] if marks else 0
        if ids and ids[-1] > known and (ids[-1] > found or len(ids) > SHORT) and self._marking.acquire(blocking=False):
            # One at a time: who holds a transaction must not wait for a second one behind many others.
            try:
                self._marks = [*marks[-1:], (ids[-1], fence(self._database))]
            finally:
                self._marking.release()
        return Seen(found, [number for number in ids if number > found])


def before_first_gap(after: int, ids: list[int]) -> int:
    """The last of `ids`, ascending and greater than `after`, that is reached from `after` without a gap."""
    for previous, number in pairwise([after, *ids]):
        if number != previous + 1:
            return previous
    return ids[-1] if ids else after
