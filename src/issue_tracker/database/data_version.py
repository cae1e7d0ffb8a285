"""Detects commits to a SQLite file, within microseconds and without blocking."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.database.sqlite import Sqlite
from issue_tracker.errors import Unavailable

_BITS = 32
"""The size of SQLite's data version, in bits."""


class DataVersion:
    """A separate connection that sees the commits of all others. Safe to use from several threads."""

    def __init__(self, engine: Engine, server: Sqlite) -> None:
        self._engine = engine
        self._server = server
        self._guard = threading.Lock()
        self._connection: PoolProxiedConnection | None = None
        self._opened = 0
        self._unchanged: tuple[int, int] | None = None

    def read(self) -> int | None:
        """Returns a number that changes with every commit of another connection, of any process, except one inside
        `unchanged`: SQLite's data version, which is comparable only within one connection, and the number of
        connections that were opened.

        None if SQLite would have to wait, or if the file is missing.
        """
        with self._guard:
            try:
                self._server.check_file()
                if self._connection is None:
                    self._connection = self._engine.raw_connection()
                    self._opened += 1
                    self._connection.cursor().execute("PRAGMA busy_timeout=0")
                version = self._seen(self._connection)
                return self._unchanged[1] if self._unchanged and self._unchanged[0] == version else version
            except (Unavailable, SQLAlchemyError, sqlite3.Error):
                self._close()
                return None

    @contextmanager
    def unchanged(self, writer: Any) -> Iterator[None]:
        """Excludes the commit in the block, of a driver's connection in a transaction that writes, from `read`.

        The writer's own data version shows whether another connection has committed until this commit was seen; then
        the version changes after all.
        """
        before, others = self.read(), _version_of(writer)
        yield
        with self._guard, suppress(sqlite3.Error):  # the commit has succeeded, whatever happens here
            if before is not None and before >> _BITS == self._opened and self._connection is not None:
                seen = self._seen(self._connection)
                if _version_of(writer) == others:
                    self._unchanged = seen, before

    def close(self) -> None:
        """Closes the connection; the next `read` opens a new one."""
        with self._guard:
            self._close()

    def _seen(self, connection: PoolProxiedConnection) -> int:
        return self._opened << _BITS | _version_of(connection.dbapi_connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None
            self._unchanged = None


def _version_of(connection: Any) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
