"""How a reader of the log learns that a transaction has committed events.

Notifications only reduce the delay, because a reader also polls. A commit in the same process notifies the reader
directly. Commits of other processes are detected on SQLite by polling the data version, which costs microseconds, and
on PostgreSQL by NOTIFY. A separate thread sends NOTIFY after the commit, at most every few milliseconds: inside the
transaction, it would hold PostgreSQL's notification lock while the commit is flushed, and so let writers commit only
one at a time (docs/events.md has the measurement).
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
def commit_waiter(database: Database, committed: threading.Event) -> Iterator[Wait]:
    """Provides a function that waits, at most the given number of seconds, until events may have been committed.

    `committed` is set by commits of this process. Raises Unavailable if the connection is lost.
    """
    with database.dedicated_connection() as connection:
        if database.sqlite:
            yield _wait_by_data_version(database, connection, committed)
        elif database.pooled:
            yield _wait_in_process(committed)
        else:
            yield _wait_by_notification(connection)


def _wait_by_data_version(database: Database, connection: sqlite3.Connection, committed: threading.Event) -> Wait:
    def version() -> int:
        database.check_file()
        return int(connection.execute("PRAGMA data_version").fetchone()[0])

    last = version()

    def wait(seconds: float) -> None:
        nonlocal last
        deadline = time.monotonic() + seconds
        notified = committed.is_set()
        while True:
            committed.clear()
            current = version()
            if notified or current != last or time.monotonic() >= deadline:
                last = current
                return
            notified = committed.wait(min(POLL_SECONDS, seconds))

    return wait


def _wait_by_notification(connection: "psycopg.Connection[Any]") -> Wait:
    connection.execute(f"LISTEN {CHANNEL}")

    def wait(seconds: float) -> None:
        for _ in connection.notifies(timeout=seconds, stop_after=1):
            pass

    return wait


def _wait_in_process(committed: threading.Event) -> Wait:
    """Waits for commits of this process only; behind a pooler, which shares connections, no connection can listen."""

    def wait(seconds: float) -> None:
        committed.wait(seconds)
        committed.clear()

    return wait


class CommitNotifier:
    """Notifies every process on the same PostgreSQL database, including this one, that events were committed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._committed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Requests a notification, without waiting for it."""
        self._committed.set()

    def close(self) -> None:
        """Stops the thread and waits for it."""
        self._stopping.set()
        self._committed.set()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            self._committed.wait()
            self._committed.clear()
            try:
                with self._database.engine.connect() as connection:
                    connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
                    connection.commit()
            except SQLAlchemyError as error:
                log.warning("notification not sent", reason=type(error).__name__)
            except Exception:  # this thread must go on notifying
                log.exception("notification not sent")
            if self._stopping.is_set():
                return
            time.sleep(PAUSE_SECONDS)
