"""Detects commits to a SQLite file, within microseconds and without blocking."""

import sqlite3
import threading
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.database.sqlite import Sqlite
from issue_tracker.errors import Unavailable


class DataVersion:
    """A separate connection that sees the commits of all others. Safe to use from several threads."""

    def __init__(self, engine: Engine, server: Sqlite) -> None:
        self._engine = engine
        self._server = server
        self._guard = threading.Lock()
        self._connection: PoolProxiedConnection | None = None

    def read(self) -> int | None:
        """Returns SQLite's data version, which changes with every commit of another connection, of any process.

        None if SQLite would have to wait, or if the file is missing.
        """
        with self._guard:
            try:
                self._server.check_file()
                if self._connection is None:
                    self._connection = self._engine.raw_connection()
                    self._connection.cursor().execute("PRAGMA busy_timeout=0")
                connection: Any = self._connection.dbapi_connection
                return int(connection.execute("PRAGMA data_version").fetchone()[0])
            except (Unavailable, SQLAlchemyError, sqlite3.Error):
                self._close()
                return None

    def close(self) -> None:
        """Closes the connection; the next `read` opens a new one."""
        with self._guard:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None
