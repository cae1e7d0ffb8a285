"""The connections of one process: taken for a transaction, returned after it, discarded when they break.

They stay checked out of SQLAlchemy's pool between transactions; the most recently used one is taken first
(docs/decisions/0010).
"""

import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.database.driver import driver
from issue_tracker.database.postgresql import Postgresql
from issue_tracker.database.sqlite import Sqlite
from issue_tracker.errors import Cause, Unavailable
from issue_tracker.settings import Settings

SPARE_CONNECTIONS = 8
"""Concurrent transactions in addition to one per worker thread: of the event stream, the deliveries and the probes."""

DEDICATED_CONNECTIONS = 8
"""Connections outside transactions: for threads that listen, send notifications or copy the database."""

PING_AFTER_IDLE_SECONDS = 5.0

NO_CONNECTION_FREE = "no connection was free in time"


def pool_options(settings: Settings) -> dict[str, Any]:
    """Returns the options of SQLAlchemy's pool. Its size limits the connections of a process."""
    return {
        "poolclass": QueuePool,
        "pool_size": settings.threads + SPARE_CONNECTIONS + DEDICATED_CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": settings.database_wait_seconds,
        # The values of a statement must never appear in a response or in the log.
        "hide_parameters": True,
    }


class Connections:
    """Connections for transactions, at most `limit` of them at the same time. Safe to use from several threads."""

    def __init__(self, engine: Engine, server: Sqlite | Postgresql, limit: int) -> None:
        self._engine = engine
        self._server = server
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, engine.dialect.loaded_dbapi.Error)
        self._room: SimpleQueue[None] = SimpleQueue()
        """An entry for each connection that may be taken. A semaphore is written in Python, and twenty times slower."""
        for _ in range(limit):
            self._room.put(None)
        self._idle: deque[tuple[Connection, float]] = deque()
        """The idle connections; see `_at_right_end`."""
        self._suspect_since = 0.0
        self._closed = False

    def take(self, wait_seconds: float, *, write: bool) -> Connection:
        """Returns a working connection, which the caller must pass to `give_back` or `discard`.

        Raises Unavailable if none becomes free within `wait_seconds`, and whatever the driver raises when it cannot
        connect.
        """
        try:
            self._room.get(timeout=wait_seconds)
        except Empty:
            raise Unavailable(cause=Cause.BUSY, reason=NO_CONNECTION_FREE) from None
        try:
            return self._idle_connection(write=write) or self._engine.connect()
        except BaseException:
            self._room.put(None)
            raise

    def give_back(self, connection: Connection, *, write: bool) -> None:
        """Returns a connection whose transaction has ended. `write` has the same value as for `take`."""
        if self._closed or self._server.lost:
            self._end(connection)
        else:
            put = self._idle.append if self._at_right_end(write=write) else self._idle.appendleft
            put((connection, time.monotonic()))
        self._room.put(None)

    def discard(self, connection: Connection) -> None:
        """Closes a broken connection, and treats the idle ones as possibly broken."""
        self.suspect_idle()
        self._end(connection)
        self._room.put(None)

    def suspect_idle(self) -> None:
        """Makes every idle connection be checked before its next use; on SQLite, closes all of them."""
        if isinstance(self._server, Sqlite):
            self.close_idle()
        else:
            self._server.opening += 1
        self._suspect_since = time.monotonic()

    def check_idle(self) -> None:
        """Checks the connection that the next read takes, if that is due."""
        if self._idle and not self._is_fresh(self._idle[-1][1]):
            connection = self._idle_connection(write=False)
            if connection is not None:
                self._idle.append((connection, time.monotonic()))

    def close_idle(self) -> None:
        """Closes every connection that is not in use."""
        while self._idle:
            try:
                connection, _ = self._idle.pop()
            except IndexError:
                return
            self._end(connection)

    def close(self) -> None:
        """Closes every idle connection now, and those in use when they are returned."""
        self._closed = True
        self.close_idle()

    def _idle_connection(self, *, write: bool) -> Connection | None:
        if self._server.lost:
            self.close_idle()
        while self._idle:
            try:
                connection, since = self._idle.pop() if self._at_right_end(write=write) else self._idle.popleft()
            except IndexError:
                break
            if self._is_fresh(since) or self._is_alive(connection):
                return connection
            self.suspect_idle()
            self._end(connection)
        return None

    def _at_right_end(self, *, write: bool) -> bool:
        """Returns at which end of the idle connections one is taken or put.

        Changes to SQLite are made one at a time. If all of them use the same connection, its page cache remains valid
        from one change to the next; a commit of another connection would empty it. Therefore reads leave the connection
        at the right end to the changes, unless no change is being made.
        """
        return write or not self._server.writing

    def _is_fresh(self, since: float) -> bool:
        """Returns whether a connection that was last used at `since` needs no check."""
        return since > max(self._suspect_since, time.monotonic() - PING_AFTER_IDLE_SECONDS)

    def _is_alive(self, connection: Connection) -> bool:
        try:
            return self._server.is_alive(driver(connection))
        except self._errors:
            return False

    def _end(self, connection: Connection) -> None:
        try:
            connection.invalidate()
            connection.close()
        except self._errors:
            return  # the connection is closed in any case
