"""Connections to SQLite, transactions on them, and the meaning of SQLite's errors."""

import sqlite3
from collections.abc import Callable
from errno import EMFILE, ENFILE
from os import strerror
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url

from issue_tracker.database.disk import is_full, is_missing, is_read_only, why_not_opened
from issue_tracker.database.driver import driver
from issue_tracker.database.log_size import LogSize
from issue_tracker.database.sqlite_file import SqliteFile
from issue_tracker.database.write_queue import FairLock, begin_write
from issue_tracker.errors import Cause, Unavailable
from issue_tracker.names import Name

log = structlog.get_logger("issue_tracker.database")

MAPPED, UNMAPPED = "mmap_size=1073741824", "mmap_size=0"
"""How SQLite reads its file. By default, the file is mapped into memory, because SQLite's own cache is invalid after
every commit of another connection (docs/decisions/0015)."""

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", MAPPED)

_ADAPTERS: dict[type, Callable[[Any], Any]] = {type(None): {}.get, bool: int, bytes: bytes, Name: str}
"""Conversions of parameters, by their types. For every other type than `int`, `float` and `str`, Python's `sqlite3`
searches for a conversion, at the end by raising two exceptions, which takes longer than to call one of these."""

for _type, _adapt in _ADAPTERS.items():
    sqlite3.register_adapter(_type, _adapt)

_MAPPING = "mapping"
"""The key in a connection's `info` of the current value: MAPPED or UNMAPPED."""

_BUSY_SECONDS = "busy timeout"
"""The key in a connection's `info` of the current busy timeout: none in a change, which waits in its own way."""

_CAUSES = {
    sqlite3.SQLITE_BUSY: Cause.BUSY,
    sqlite3.SQLITE_LOCKED: Cause.BUSY,
    sqlite3.SQLITE_PROTOCOL: Cause.BUSY,
    sqlite3.SQLITE_FULL: Cause.FULL,
    sqlite3.SQLITE_IOERR: Cause.STORAGE,
    sqlite3.SQLITE_NOMEM: Cause.STORAGE,
    sqlite3.SQLITE_READONLY: Cause.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Cause.REFUSED,
    sqlite3.SQLITE_PERM: Cause.REFUSED,
    sqlite3.SQLITE_AUTH: Cause.REFUSED,
    sqlite3.SQLITE_CORRUPT: Cause.DAMAGED,
    sqlite3.SQLITE_NOTADB: Cause.DAMAGED,
    sqlite3.SQLITE_FORMAT: Cause.DAMAGED,
    sqlite3.SQLITE_SCHEMA: Cause.SCHEMA,
}
"""Causes by primary result code (https://www.sqlite.org/rescode.html)."""


def sqlite_path(url: str) -> Path | None:
    """Returns the file of a SQLite URL, whose special characters are percent-encoded; None for another database."""
    found = make_url(url) if url.startswith("sqlite:") else None
    return Path(found.database) if found is not None and found.database else None


class Sqlite:
    """One database file. `wait_seconds` limits every wait for a lock."""

    def __init__(self, path: Path, wait_seconds: float) -> None:
        self.file = SqliteFile(path)
        self._log_size = LogSize(self.file.path)
        self._wait_seconds = wait_seconds
        self._write_turn = FairLock()

    def engine(self, **pool: Any) -> Engine:
        """Returns an engine whose connections use the file."""
        return create_engine("sqlite://", creator=self._connect, **pool)

    pooled = False

    @property
    def lost(self) -> bool:
        """Whether open connections belong to a file that no longer exists, and must be closed."""
        return self.file.lost

    @property
    def opening(self) -> int | None:
        """A number that changes when another file is opened. None while the file is lost."""
        return None if self.file.lost else self.file.opening

    def take_turn(self, wait_seconds: float) -> None:
        """Waits until no other thread of this process writes. Raises Unavailable after `wait_seconds`."""
        if not self._write_turn.acquire(wait_seconds):
            reason = "other changes took too long"
            if wait_seconds:
                log.warning("database unavailable", cause="busy", reason=reason)
            raise Unavailable(cause=Cause.BUSY, reason=reason)

    @property
    def writing(self) -> bool:
        """Whether a thread of this process is making a change."""
        return self._write_turn.held

    def end_turn(self) -> None:
        """Lets the next thread of this process write."""
        self._write_turn.release()

    def begin(self, connection: Connection, *, write: bool, in_bulk: bool, wait_seconds: float) -> None:
        """Begins a transaction. Raises Unavailable if the file was deleted or replaced."""
        self.file.check_regularly()
        found, mapping = driver(connection), UNMAPPED if in_bulk else MAPPED
        busy_seconds, info = 0 if write else self._wait_seconds, connection.info
        if info.get(_MAPPING, MAPPED) != mapping:
            found.execute(f"PRAGMA {mapping}")
            info[_MAPPING] = mapping
        if info.get(_BUSY_SECONDS, self._wait_seconds) != busy_seconds:
            found.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
            info[_BUSY_SECONDS] = busy_seconds
        if write:
            begin_write(found, wait_seconds)
        else:
            found.execute("BEGIN")

    def in_transaction(self, connection: Any) -> bool:
        """Returns whether the driver's connection has a transaction that can be committed.

        SQLite may have rolled back on its own after a failed statement.
        """
        return bool(connection.in_transaction)

    def roll_back(self, connection: Any) -> None:
        """Rolls back what the driver's connection has begun."""
        connection.rollback()

    def is_idle(self, connection: Any) -> bool:
        """Returns whether no transaction is open on the driver's connection."""
        return not connection.in_transaction

    def is_alive(self, connection: Any) -> bool:
        """Returns whether an idle connection may be used. A connection to a file has no server that can disappear."""
        return True

    def check_file(self) -> None:
        """Raises Unavailable if the file was deleted or replaced; may detect it a tenth of a second late."""
        self.file.check_regularly()

    def settle(self, connection: Any) -> None:
        """Makes sure that a failed commit never takes effect.

        The commit may have failed after its last step: the whole change is in the write-ahead log, but the log's index
        cannot grow on a full disk, or the disk does not confirm the log. At that time no reader sees the change. But
        when all connections to the file are closed, the log is read again without the index, and the change would be
        found and applied. Therefore another change is written that changes nothing. It overwrites the log from the
        position of the failed change, and needs no more space.
        """
        if connection.in_transaction:
            return  # nothing was written, because a constraint was violated
        try:
            begin_write(connection, self._wait_seconds)
            write_nothing(connection)
            connection.commit()
        except sqlite3.Error as error:
            # With these two errors, the change is in the log, or there was no space for it, nor for the failed one.
            if error.sqlite_errorname not in ("SQLITE_IOERR_SHMSIZE", "SQLITE_FULL"):
                log.warning("a change that failed may be found later", reason=str(error))

    def check_commit(self) -> None:
        """Raises Unavailable if the last commit went to a file that was deleted or replaced."""
        self.file.check()
        self.file.check_log()
        self.file.remember_log()

    def finish(self, connection: Connection, *, write: bool, in_bulk: bool) -> None:
        """Limits the size of the write-ahead log, after a transaction was committed."""
        if write:
            self._log_size.limit_after_change(driver(connection))
        elif in_bulk:
            self._log_size.limit_after_long_read(driver(connection), self._wait_seconds)

    def check_writable(self, tx: Connection, failure: Unavailable | None) -> None:
        """Raises Unavailable if nothing can be written now. `failure` is the error of the last change, if it failed."""
        self.file.check()
        if is_read_only(self.file.path):
            raise Unavailable(cause=Cause.READ_ONLY, reason=f"{self.file.path}: no permission to write")
        if failure is not None and failure.cause is Cause.FULL and is_full(self.file.path):
            raise Unavailable(cause=failure.cause, reason=failure.reason)

    def close(self) -> None:
        """Releases the file, after all connections to it were closed."""
        self.file.close()

    def failure(self, error: Any, *, connecting: bool) -> Unavailable | None:
        """Returns a driver's error as Unavailable; None if the error does not concern the database's availability."""
        code = getattr(error, "sqlite_errorcode", None)
        cause = _CAUSES.get(code & 0xFF) if code is not None else None
        if code == sqlite3.SQLITE_ERROR and str(error).startswith(("no such table", "no such column")):
            cause = Cause.SCHEMA
        if cause is None:
            return None
        reason = str(error)
        if cause is Cause.REFUSED and (found := why_not_opened(self.file.path)):
            reason = f"{self.file.path}: {found}"
        if reason.endswith((strerror(EMFILE), strerror(ENFILE))):
            cause = Cause.DESCRIPTORS
        elif is_missing(self.file.path):
            cause = Cause.MISSING
        elif cause is Cause.STORAGE and is_full(self.file.path):
            cause = Cause.FULL
        return Unavailable(cause=cause, reason=reason)

    def _connect(self) -> sqlite3.Connection:
        return self.file.connect(self._wait_seconds, _prepare)


def write_nothing(connection: sqlite3.Connection) -> None:
    """Writes a page in a transaction without changing anything. An UPDATE to the same value would not write a page."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version={version}")


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
