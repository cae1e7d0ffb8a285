"""Keeps SQLite's write-ahead log small.

SQLite begins the log anew only at a moment at which no reader uses it. Under load there is none, because reads overlap:
the log grows for as long as that lasts, and the file stays as large as it became. Above a limit it is therefore emptied
at the end of a change: readers that begin meanwhile read the database file, and the others are waited for.
"""

import os
import sqlite3
import threading
import time
from pathlib import Path

import structlog

log = structlog.get_logger("issue_tracker.database")

LIMIT_BYTES = 64 * 1024 * 1024

PATIENCE_SECONDS = 0.2
"""How long the end of a change waits for readers. Nobody else can write meanwhile."""

WAIT_SECONDS = 0.02
"""How long SQLite waits within that, before the next attempt. While it waits for readers of an old state, new readers
may take their place in its list, one after the other, and it would go on waiting for them."""

EMPTY = "PRAGMA wal_checkpoint(TRUNCATE)"

SHARE = 20
"""After an attempt that failed, the next one is made when this many times its duration has passed."""


class LogSize:
    """The log of one database file, as one process limits it. Safe to use from several threads."""

    def __init__(self, database: Path) -> None:
        self._path = f"{database}-wal"
        self._attempting = threading.Lock()
        self._next_attempt_at = 0.0
        self._reported = False

    def limit_after_change(self, connection: sqlite3.Connection, usual_seconds: float) -> None:
        """Empties a log that is too large, if its readers end soon. To be called outside of transactions.

        `usual_seconds` is the timeout of the connection's busy handler for everything that follows.
        """
        if self._is_large() and time.monotonic() >= self._next_attempt_at:
            self._attempt(connection, PATIENCE_SECONDS, usual_seconds)

    def limit_after_long_read(self, connection: sqlite3.Connection, usual_seconds: float) -> None:
        """Empties a log that is too large, if nobody uses it at this moment: this reader may have been the last one."""
        if self._is_large():
            self._attempt(connection, 0, usual_seconds)

    def _is_large(self) -> bool:
        try:
            return os.stat(self._path).st_size > LIMIT_BYTES  # noqa: PTH116  (every change pays for it)
        except OSError:  # whoever needs the log reports that it is not there
            return False

    def _attempt(self, connection: sqlite3.Connection, patience: float, usual_seconds: float) -> None:
        if not self._attempting.acquire(blocking=False):
            return
        try:
            began = time.monotonic()
            emptied = _empty(connection, patience, usual_seconds)
            if patience and not emptied:
                self._next_attempt_at = time.monotonic() + SHARE * (time.monotonic() - began)
            if patience and not emptied and not self._reported:
                log.warning("write-ahead log is growing: a long read needs it", megabytes=LIMIT_BYTES >> 20)
            self._reported = not emptied
        finally:
            self._attempting.release()


def _empty(connection: sqlite3.Connection, patience: float, usual_seconds: float) -> bool:
    """Copies the log into the database file and truncates it. Returns whether that succeeded."""
    deadline = time.monotonic() + patience
    try:
        connection.execute(f"PRAGMA busy_timeout={int(min(patience, WAIT_SECONDS) * 1000)}")
        try:
            while (busy := connection.execute(EMPTY).fetchone()[0]) and time.monotonic() < deadline:
                pass
        finally:
            connection.execute(f"PRAGMA busy_timeout={int(usual_seconds * 1000)}")
    except sqlite3.Error as error:
        # What was committed is durable all the same; the next change will meet the same trouble, and report it.
        log.warning("write-ahead log not emptied", reason=str(error))
        return False
    return not busy
