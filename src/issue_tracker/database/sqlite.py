"""How the product connects to SQLite, begins transactions on it, and understands its errors."""

import sqlite3
from errno import EMFILE, ENFILE
from os import strerror
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url

from issue_tracker.database.disk import is_full, is_read_only, why_not_opened
from issue_tracker.database.driver import driver
from issue_tracker.database.log_size import LogSize
from issue_tracker.database.sqlite_file import SqliteFile
from issue_tracker.database.write_queue import FairLock, begin_write
from issue_tracker.errors import Cause, Unavailable

log = structlog.get_logger("issue_tracker.database")

MAPPED, UNMAPPED = "mmap_size=1073741824", "mmap_size=0"
"""How SQLite reads its file. By default the file is mapped into memory, because SQLite's own cache is void after every
commit of another connection (docs/decisions/0015)."""

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", MAPPED)

_MAPPING = "mapping"
"""The key in a connection's `info`: MAPPED or UNMAPPED, as it was set last."""

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
    """The file of a SQLite URL, in which special characters are percent-encoded. None for another database."""
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
        """An engine whose connections use the file."""
        return create_engine("sqlite://", creator=self._connect, **pool)

    pooled = False

    @property
    def lost(self) -> bool:
        """Whether open connections belong to a file that is no longer there, and must be closed."""
        return self.file.lost

    @property
    def opening(self) -> int | None:
        """A number that changes when another file is opened. None while no file may be taken for the one before."""
        return None if self.file.lost else self.file.opening

    def take_turn(self, wait_seconds: float) -> None:
        """Waits until no other thread of this process writes. Raises Unavailable when that takes too long."""
        if not self._write_turn.acquire(wait_seconds):
            reason = "other changes took too long"
            if wait_seconds:
                log.warning("database unavailable", cause="busy", reason=reason)
            raise Unavailable(cause=Cause.BUSY, reason=reason)

    def end_turn(self) -> None:
        """Lets the next thread of this process write."""
        self._write_turn.release()

    def begin(self, connection: Connection, *, write: bool, in_bulk: bool, wait_seconds: float) -> None:
        """Begins a transaction. Raises Unavailable when the file was deleted or replaced."""
        self.file.check_regularly()
        found, mapping = driver(connection), UNMAPPED if in_bulk else MAPPED
        if connection.info.get(_MAPPING, MAPPED) != mapping:
            found.execute(f"PRAGMA {mapping}")
            connection.info[_MAPPING] = mapping
        if write:
            begin_write(found, wait_seconds, self._wait_seconds)
        else:
            found.execute("BEGIN")

    def in_transaction(self, connection: Any) -> bool:
        """Whether the driver's connection has a transaction that can be committed.

        SQLite may have rolled back by itself after a failed statement.
        """
        return bool(connection.in_transaction)

    def is_idle(self, connection: Any) -> bool:
        """Whether no transaction is open on the driver's connection."""
        return not connection.in_transaction

    def is_alive(self, connection: Any) -> bool:
        """Whether a connection that was idle may be used. That of a file has no server that could be gone."""
        return True

    def check_file(self) -> None:
        """Raises Unavailable when the file was deleted or replaced; may notice it a tenth of a second late."""
        self.file.check_regularly()

    def settle(self, connection: Any) -> None:
        """Makes a commit that failed one that never happened.

        It may have failed behind its last step: all of it is in the write-ahead log, but the log's index cannot grow on
        a full disk, or the disk does not confirm the log. Nobody sees the change then. But when everybody has closed
        the file, the log is read again without the index: the change would be found, and made. So another change is
        written, which changes nothing, begins in the log where the failed one does, and needs no more room.
        """
        if connection.in_transaction:
            return  # nothing was written: a constraint was violated
        try:
            begin_write(connection, self._wait_seconds, self._wait_seconds)
            write_nothing(connection)
            connection.commit()
        except sqlite3.Error as error:
            # In the last two cases it is in the log, or there was no room for it, and less for the one that failed.
            if error.sqlite_errorname not in ("SQLITE_IOERR_SHMSIZE", "SQLITE_FULL"):
                log.warning("a change that failed may be found later", reason=str(error))

    def check_commit(self) -> None:
        """Raises Unavailable when what was just committed went to a file that was deleted or replaced."""
        self.file.check()
        self.file.check_log()
        self.file.remember_log()

    def finish(self, connection: Connection, *, write: bool, in_bulk: bool) -> None:
        """Keeps the write-ahead log small, after a transaction was committed."""
        if write:
            self._log_size.limit_after_change(driver(connection), self._wait_seconds)
        elif in_bulk:
            self._log_size.limit_after_long_read(driver(connection), self._wait_seconds)

    def check_writable(self, tx: Connection, failure: Unavailable | None) -> None:
        """Raises Unavailable when nothing can be written now. `failure` is how the last change failed, if it did."""
        self.file.check()
        if is_read_only(self.file.path):
            raise Unavailable(cause=Cause.READ_ONLY, reason=f"{self.file.path}: no permission to write")
        if failure is not None and failure.cause is Cause.FULL and is_full(self.file.path):
            raise Unavailable(cause=failure.cause, reason=failure.reason)

    def close(self) -> None:
        """Releases the file, after all connections to it were closed."""
        self.file.close()

    def failure(self, error: Any, *, connecting: bool) -> Unavailable | None:
        """A driver's error as Unavailable; None when it says nothing about the database being available."""
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
        elif not self.file.path.exists():
            cause = Cause.MISSING
        elif cause is Cause.STORAGE and is_full(self.file.path):
            cause = Cause.FULL
        return Unavailable(cause=cause, reason=reason)

    def _connect(self) -> sqlite3.Connection:
        return self.file.connect(self._wait_seconds, _prepare)


def write_nothing(connection: sqlite3.Connection) -> None:
    """Writes a page within a transaction, and changes nothing. An UPDATE to the present value would write nothing."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version={version}")


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
