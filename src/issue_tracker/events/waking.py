"""How a reader of the log learns that there is news. A wake-up only makes it faster: it also looks by itself.

In the same process a commit wakes directly. Other processes are noticed on SQLite by the data version, which costs
microseconds to poll, and on PostgreSQL by NOTIFY. The notification is sent after the commit, by a thread of its own
and at most every few milliseconds: inside the transaction it would hold PostgreSQL's notification lock through the
flush of the commit, and so let writers commit only one by one (docs/events.md has the measurement).
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.database.engine import Database

if TYPE_CHECKING:
    import psycopg  # loaded with the first PostgreSQL database, not at every start

log = structlog.get_logger("issue_tracker.events")

CHANNEL = "issue_tracker_events"
POLL_SECONDS = 0.1
PAUSE_SECONDS = 0.01

Wait = Callable[[float], None]


@contextmanager
def waking(database: Database, news: threading.Event) -> Iterator[Wait]:
    """Gives a function that waits until there may be news, at most so many seconds. `news` wakes it in this process.

    Raises one of `database.trouble` when the connection is lost.
    """
    held = database.engine.raw_connection()
    connection: Any = held.driver_connection
    try:
        yield _data_version(connection, news) if database.sqlite else _notification(connection)
    finally:
        # A connection that listens, or broke while it waited, is of no use to anyone else.
        held.invalidate()


def _data_version(connection: sqlite3.Connection, news: threading.Event) -> Wait:
    def version() -> int:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])

    seen = version()

    def wait(seconds: float) -> None:
        nonlocal seen
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            woken = news.wait(min(POLL_SECONDS, seconds))
            news.clear()
            current = version()
            if woken or current != seen:
                seen = current
                return

    return wait


def _notification(connection: "psycopg.Connection[Any]") -> Wait:
    connection.execute(f"LISTEN {CHANNEL}")

    def wait(seconds: float) -> None:
        for _ in connection.notifies(timeout=seconds, stop_after=1):
            pass

    return wait


class Notifier:
    """Tells other processes on the same PostgreSQL that there is news."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._news.set()

    def close(self) -> None:
        self._stopping.set()
        self._news.set()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            try:
                with self._database.engine.connect() as connection:
                    connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
                    connection.commit()
            except SQLAlchemyError as error:
                log.warning("notification not sent", reason=type(error).__name__)
            if self._stopping.is_set():
                return
            time.sleep(PAUSE_SECONDS)
