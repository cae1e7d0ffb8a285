"""How SQLite writers wait: in the order of arrival within a process, by polling between processes."""

import sqlite3
import threading
import time
from collections import deque
from typing import Any

BEGIN_WRITE = "BEGIN IMMEDIATE"
"""Begins a write transaction with SQLite's write lock, so that no later statement can fail to acquire the lock."""

POLL_INTERVAL_SECONDS = 0.001
"""Interval at which a process checks whether another process has ended its transaction."""


class FairLock:
    """A lock that is granted in the order of arrival.

    SQLite makes waiting writers poll, and a late one may win; with many writers, unlucky ones would time out.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self.held = False
        """Whether a thread has the lock."""

    def acquire(self, timeout: float) -> bool:
        """Waits at most `timeout` seconds. Returns whether the lock was granted."""
        with self._guard:
            if not self.held and not self._waiting:
                self.held = True
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(timeout):
            return True
        with self._guard:
            if turn.is_set():
                return True
            self._waiting.remove(turn)
            return False

    def release(self) -> None:
        """Passes the lock to the writer that has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self.held = False


def begin_write(driver: Any, wait_seconds: float) -> None:
    """Begins a write transaction on SQLite; raises the driver's error for a busy database after `wait_seconds`.

    SQLite's own busy handler polls less and less often, down to ten times a second, so that one of several processes
    would starve. Here, all processes poll at the same interval; the connection must have no busy timeout.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            driver.execute(BEGIN_WRITE)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(POLL_INTERVAL_SECONDS)
