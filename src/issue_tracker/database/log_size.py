"""Keeps SQLite's write-ahead log small.

SQLite restarts the log only at a time when no reader uses it. Under load, readers overlap, so there is no such time:
the log grows for as long as the load lasts, and the file never shrinks. Above a limit, the log is therefore truncated
at the end of a change: new readers then read the database file, and the change waits for existing readers of the log.
"""

import os
import sqlite3
import threading
import time
from pathlib import Path

import structlog

log = structlog.get_logger("issue_tracker.database")

LIMIT_BYTES = 64 * 1024 * 1024

TOTAL_WAIT_SECONDS = 0.2
"""How long the end of a change waits for readers. No other writer can proceed meanwhile."""

BUSY_SECONDS = 0.02
"""How long SQLite waits in one attempt. While SQLite waits for readers of an old state, new readers may take their
slots one after another, and it would continue to wait for them."""

EMPTY = "PRAGMA wal_checkpoint(TRUNCATE)"

SHARE = 20
"""After a failed attempt, the next one is made when this multiple of its duration has passed."""


class LogSize:
    """The write-ahead log of one database file, limited by one process. Safe to use from several threads."""

    def __init__(self, database: Path) -> None:
        self._path = f"{database}-wal"
        self._attempting = threading.Lock()
        self._next_attempt_at = 0.0
        self._reported = False

    def limit_after_change(self, connection: sqlite3.Connection) -> None:
        """Truncates a log that is too large, if its readers end soon. Call it outside transactions.

        `connection` has made the change, and has no busy timeout.
        """
        if self._is_large() and time.monotonic() >= self._next_attempt_at:
            self._attempt(connection, TOTAL_WAIT_SECONDS, usual_seconds=0)

    def limit_after_long_read(self, connection: sqlite3.Connection, usual_seconds: float) -> None:
        """Truncates a log that is too large, if no connection uses it: this reader may have been the last one.

        `usual_seconds` is the busy timeout to which the connection is reset.
        """
        if self._is_large():
            self._attempt(connection, 0, usual_seconds)

    def _is_large(self) -> bool:
        try:
            return os.stat(self._path).st_size > LIMIT_BYTES  # noqa: PTH116 - faster, and every change runs it
        except OSError:  # the next user of the log reports that it is missing
            return False

    def _attempt(self, connection: sqlite3.Connection, wait_seconds: float, usual_seconds: float) -> None:
        if not self._attempting.acquire(blocking=False):
            return
        try:
            began = time.monotonic()
            emptied = _empty(connection, wait_seconds, usual_seconds)
            if emptied:
                self._reported = False
            elif wait_seconds:
                self._next_attempt_at = time.monotonic() + SHARE * (time.monotonic() - began)
                if not self._reported:
                    log.warning("write-ahead log is growing: a long read needs it", megabytes=LIMIT_BYTES >> 20)
                self._reported = True
        finally:
            self._attempting.release()


def _empty(connection: sqlite3.Connection, wait_seconds: float, usual_seconds: float) -> bool:
    """Copies the log into the database file and truncates it. Returns whether that succeeded."""
    deadline = time.monotonic() + wait_seconds
    try:
        connection.execute(f"PRAGMA busy_timeout={int(min(wait_seconds, BUSY_SECONDS) * 1000)}")
        try:
            while (busy := connection.execute(EMPTY).fetchone()[0]) and time.monotonic() < deadline:
                pass
        finally:
            connection.execute(f"PRAGMA busy_timeout={int(usual_seconds * 1000)}")
    except sqlite3.Error as error:
        # The committed change is durable in any case; the next change will meet the same problem, and report it.
        log.warning("write-ahead log not emptied", reason=str(error))
        return False
    return not busy
