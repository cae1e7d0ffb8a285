"""The order of events on PostgreSQL: which event ids are settled (docs/decisions/0004-event-order.md).

An id is settled once no event with this or a lower id can still appear. A transaction takes its transaction number
(xid) before it takes an event id, and commits after both. Therefore an event may still appear below a visible one. It
no longer can once every transaction that had an xid when the gap was seen has ended.
"""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
from sqlalchemy import Connection, text

from issue_tracker.actor import ALL_COMPANIES, CompanyAccess
from issue_tracker.database.engine import Database
from issue_tracker.errors import Unavailable
from issue_tracker.events.queries.log import (
    LogState,
    count_events,
    get_data_state,
    get_last_event_id,
    get_log_state,
    get_visible_log_state,
    list_event_ids,
    send_event_ids,
)

WINDOW = 10_000
"""Number of the last ids that are searched for gaps; older ones wait for the xid barrier without a search."""

LONGEST_WAIT_SECONDS = 0.5
"""Maximum time for which a page of the history waits for running transactions."""

SHORT_SEARCH = 100
"""Number of ids that a page searches for gaps, above which recording the settled position is worthwhile."""


def take_xid_barrier(database: Database) -> int:
    """Takes a transaction number (xid) that is higher than any taken before this call. PostgreSQL only."""
    with database.read() as tx:
        return int(tx.execute(text("SELECT pg_current_xact_id()::text")).scalar_one())


def barrier_passed(tx: Connection, barrier: int) -> bool:
    """Returns whether every transaction with an xid up to the barrier has ended before this snapshot was taken."""
    oldest_running = tx.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")).scalar_one()
    return int(oldest_running) > barrier


def settled_until(database: Database, after: int) -> int:
    """Returns a settled id, so that a reader who has read up to `after` misses nothing when it reads up to this id.

    Waits briefly for running transactions; after that, returns the id before the first gap.
    """
    with database.read() as tx:
        last = get_last_event_id(tx, ALL_COMPANIES)
        if database.sqlite or last <= after:
            return last
        if last - after <= WINDOW and count_events(tx, ALL_COMPANIES, after=after, until=last) == last - after:
            return last
    barrier = take_xid_barrier(database)
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while time.monotonic() < deadline:
        with database.read() as tx:
            if barrier_passed(tx, barrier):
                return last
        time.sleep(0.01)
    with database.read() as tx:
        return before_first_gap(after, list_event_ids(tx, ALL_COMPANIES, after=after, limit=WINDOW))


class Watermark(msgspec.Struct, frozen=True):
    """How far a snapshot shows the log: completely up to `last_event_id`, and above it only the events in `beyond`."""

    last_event_id: int
    beyond: Sequence[int] = ()


def limited(tx: Connection, access: CompanyAccess, watermark: Watermark) -> tuple[LogState, Watermark]:
    """Returns the state of the log and the watermark under a limited company access: both change only with visible
    data.

    A settled id remains settled, so no visible event can still appear up to the returned watermark.
    """
    state, ids = get_visible_log_state(tx, access, watermark.last_event_id, watermark.beyond)
    return state, Watermark(ids[0], ids[1:])


class WatermarkTracker:
    """Finds the watermark of a snapshot, which is where a page that shows the snapshot resumes in the stream.

    Stores marks: an event id, and an xid barrier that was taken after the id was seen. In a snapshot that is past the
    barrier, everything up to the id is settled: ids missing there were rolled back.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._marks: list[tuple[int, int]] = []
        self._latest: tuple[LogState, Watermark] | None = None
        self._latest_data: tuple[LogState, LogState] | None = None
        self._marking = threading.Lock()

    def start(self) -> None:
        """Sets the first mark, so that no page mistakes ids that were rolled back long ago for an open gap."""
        if self._database.sqlite:
            return
        try:
            with self._database.read() as tx:
                last = get_last_event_id(tx, ALL_COMPANIES)
            self._marks = [(last, take_xid_barrier(self._database))]
        except Unavailable:
            return  # the first page sets the mark

    def watermark(self, tx: Connection) -> Watermark:
        """Returns the watermark of this transaction's snapshot. Does not wait: an open gap ends it."""
        state = get_log_state(tx)
        if state.snapshot is None:
            return Watermark(state.last_event_id)
        settled = self._settled(state)
        start = max(settled, state.last_event_id - WINDOW)
        return self._found(
            state, start, list_event_ids(tx, ALL_COMPANIES, after=start, limit=WINDOW + 1), mark_gap=True
        )

    def watermark_of(self, tx: Connection, state: LogState) -> Watermark:
        """Returns the watermark of a snapshot whose state of the log was already read.

        Unlike `watermark`, it is for readers that must not miss events which appear late, below the searched window.
        Equal states have equal watermarks, so asking again for the same snapshot costs nothing. An open gap sets no
        mark, because a barrier changes the snapshot, and therefore the validator of the next response.
        """
        return self.send_watermark_of(tx, state)()

    def send_watermark_of(
        self, tx: Connection, state: LogState, known: Watermark | None = None
    ) -> Callable[[], Watermark]:
        """Returns a function that returns `known`, or else the same as `watermark_of`. Its statement is sent together
        with the next one, so that it needs no round trip of its own.
        """
        if known is not None:
            return lambda: known
        if state.snapshot is None:
            return lambda: Watermark(state.last_event_id)
        latest = self._latest
        if latest is not None and latest[0] == state:
            return lambda: latest[1]
        start = self._settled(state)
        ids = send_event_ids(tx, ALL_COMPANIES, after=start, limit=WINDOW + 1)

        def find() -> Watermark:
            found = self._found(state, start, ids(), mark_gap=False)
            if len(found.beyond) > WINDOW:
                found = Watermark(found.last_event_id)
            self._latest = state, found
            return found

        return find

    def data_state(self, tx: Connection, state: LogState) -> LogState:
        """Returns what a state of the log, read in this transaction, says about data: without the sign-ins and refusals
        at its end, so that a flood of them does not change the validators of lists.

        On PostgreSQL, returns the state itself, because every transaction changes its snapshot.
        """
        if not state.sign_in or state.snapshot is not None:
            return state
        latest = self._latest_data
        if latest is None or latest[0] != state:
            self._latest_data = latest = state, get_data_state(tx)
        return latest[1]

    def _settled(self, state: LogState) -> int:
        """Returns the highest id that a mark declares settled for this snapshot; 0 without such a mark."""
        return max((number for number, barrier in self._marks if barrier < _oldest_running(state)), default=0)

    def _found(self, state: LogState, start: int, ids: Sequence[int], *, mark_gap: bool) -> Watermark:
        """Returns the watermark of a snapshot in which `ids` are the first ones above `start`."""
        complete = before_first_gap(start, ids)
        if ids and ((mark_gap and ids[-1] > complete) or len(ids) > SHORT_SEARCH):
            self._mark(state, state.last_event_id)
        return Watermark(complete, [number for number in ids if number > complete])

    def _mark(self, state: LogState, number: int) -> None:
        """Sets a mark at an id that was seen. Retains the last mark and the last settled one, which are all that a
        long transaction leaves.
        """
        # One at a time: a thread that holds a transaction must not wait for a second one behind many others.
        if not self._marking.acquire(blocking=False):
            return
        try:
            marks = self._marks
            if marks and marks[-1][0] >= number:
                return
            settled = [mark for mark in marks[:-1] if mark[1] < _oldest_running(state)][-1:]
            self._marks = [*settled, *marks[-1:], (number, take_xid_barrier(self._database))]
        finally:
            self._marking.release()


def _oldest_running(state: LogState) -> int:
    """Returns the lowest xid of a transaction that had not ended for this snapshot. PostgreSQL only."""
    assert state.snapshot is not None
    return int(state.snapshot.partition(":")[0])


def before_first_gap(after: int, ids: Sequence[int]) -> int:
    """Returns the last of `ids` (ascending, above `after`) that is reached from `after` without a gap."""
    for previous, number in pairwise([after, *ids]):
        if number != previous + 1:
            return previous
    return ids[-1] if ids else after
