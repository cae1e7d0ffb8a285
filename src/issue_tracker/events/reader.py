"""The one reader of the log in a process: a thread that tells each settled event once, in order of `event_id`.

docs/decisions/0004-event-order.md says what settled means.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, select

from issue_tracker.database.engine import Database
from issue_tracker.database.tables import events
from issue_tracker.errors import Unavailable
from issue_tracker.events.order import WINDOW, before_first_gap, fence, passed
from issue_tracker.events.queries import event_of
from issue_tracker.events.waking import waking

log = structlog.get_logger("issue_tracker.events")

BATCH = 500
IDLE_SECONDS = 0.5
GAP_SECONDS = 0.02
RETRY_SECONDS = 1.0


class Told(msgspec.Struct, frozen=True):
    """An event as the stream sends it, rendered once for all listeners."""

    event_id: int
    audit: bool
    text: bytes


class LogReader:
    """Calls `started` once with the position that it starts from, then `tell` with events and the new position."""

    def __init__(
        self, database: Database, started: Callable[[int], None], tell: Callable[[Sequence[Told], int], None]
    ) -> None:
        self._thread = threading.Thread(target=self._run, name="log-reader", daemon=True)
        self._database = database
        self._trouble: tuple[type[Exception], ...] = (Unavailable, *database.trouble)
        self._started = started
        self._tell = tell
        self._position: int | None = None
        self._gap: tuple[int, int] | None = None
        self._stopping = threading.Event()
        self.news = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends the thread, and waits for it."""
        self._stopping.set()
        self.news.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except self._trouble as error:
                log.warning("event log out of reach", reason=type(error).__name__)
                self._stopping.wait(RETRY_SECONDS)

    def _follow(self) -> None:
        with waking(self._database, self.news) as wait:
            if self._position is None:
                self._position = starting_position(self._database)
                self._started(self._position)
            while not self._stopping.is_set():
                position, rows = self._read(self._position)
                if position > self._position:
                    self._position = position
                    self._tell([told(row) for row in rows], position)
                if len(rows) < BATCH:
                    wait(GAP_SECONDS if self._gap else IDLE_SECONDS)

    def _read(self, position: int) -> tuple[int, Sequence[Row[Any]]]:
        """What is settled beyond `position`, and the position after it."""
        query = select(events).where(events.c.event_id > position).order_by(events.c.event_id).limit(BATCH)
        with self._database.read() as tx:
            rows = tx.execute(query).all()
            if self._database.sqlite:
                return (rows[-1].event_id if rows else position), rows
            settled = position
            if self._gap is not None and passed(tx, self._gap[1]):
                # Whatever is still missing up to here was rolled back.
                settled = self._gap[0]
                self._gap = None
        ids = [row.event_id for row in rows]
        settled = before_first_gap(settled, [number for number in ids if number > settled])
        if self._gap is None and ids and ids[-1] > settled:
            self._gap = (ids[-1], fence(self._database))
        return settled, [row for row in rows if row.event_id <= settled]


def starting_position(database: Database) -> int:
    """A position that everything older is settled before, as far as the last WINDOW numbers tell."""
    query = select(events.c.event_id).order_by(events.c.event_id.desc()).limit(WINDOW)
    with database.read() as tx:
        ids = list(tx.execute(query).scalars())
    if not ids:
        return 0
    return ids[0] if database.sqlite else before_first_gap(ids[-1], ids[-2::-1])


def told(row: Row[Any]) -> Told:
    """A row as Server-Sent Event (contract, section 7)."""
    data = msgspec.json.encode(event_of(row))
    return Told(
        row.event_id, bool(row.audit), b"id: %d\nevent: %s\ndata: %s\n\n" % (row.event_id, row.type.encode(), data)
    )
