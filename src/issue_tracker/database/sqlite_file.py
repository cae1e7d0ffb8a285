"""The file of an embedded database: created private, opened without ever being created, and checked for its removal.

SQLite continues to read and write a file that was deleted or replaced: the server would acknowledge changes that are
lost. Every transaction therefore compares the file at the path with the open file. When they differ, no transaction
begins until every connection to the old file is closed, in this process and in all others, because two sets of
connections with different write-ahead logs would damage the database.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from errno import EMFILE, ENFILE
from pathlib import Path
from urllib.parse import quote

import structlog

from issue_tracker.errors import Cause, Unavailable

log = structlog.get_logger("issue_tracker.database")

_SHARED_LOCK = (510, 0x40000002)
"""Length and start of the bytes on which every connection in WAL mode holds a shared lock (SQLite's os.h)."""

CHECK_SECONDS = 0.1

_Identity = tuple[int, int]


def _identity(path: str) -> _Identity | None:
    """Returns the device and inode of the file that is at the path now; None if there is none.

    Raises Unavailable if the system does not say so, for example because the folder must not be entered.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - every change runs it, and Path.stat takes half as long again
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        cause = Cause.REFUSED if isinstance(error, PermissionError) else Cause.STORAGE
        raise Unavailable(cause=cause, reason=f"{path}: {error.strerror}") from error
    return found.st_dev, found.st_ino


_guard = threading.RLock()
"""Guards the data below. Reentrant, because the garbage collector may close a connection at any time."""


class _OpenFile:
    """One file that this process has open. The descriptor prevents its inode from being reused.

    The descriptor must stay open as long as any connection of the process uses the file: closing it would release the
    locks of the whole process on that file (fcntl(2)).
    """

    def __init__(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        self.descriptor = descriptor
        self.identity = (found.st_dev, found.st_ino)
        self.connections = 0
        self.log: _Identity | None = None
        """The write-ahead log that the connections use; None while it is unknown."""

    def lock(self) -> bool:
        """Locks the file against all other processes. Returns False if one of them has a connection to it.

        Call it only when this process has no connection. Closing the descriptor releases the lock.
        """
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, *_SHARED_LOCK)
        except BlockingIOError:
            return False
        except OSError:
            return True  # the file is read-only, or its file system does not support locks
        return True


_open_files: dict[_Identity, _OpenFile] = {}
"""Every database file that this process has open. A single table, because the locks belong to the process."""


class _Connection(sqlite3.Connection):
    """A connection that is counted until it is closed."""

    file: _OpenFile | None = None

    def count_for(self, file: _OpenFile) -> None:
        with _guard:
            self.file = file
            file.connections += 1

    def close(self) -> None:
        # Within the guard, because closing the last connection deletes the log.
        with _guard:
            super().close()
            self._leave()

    def __del__(self) -> None:
        self._leave()

    def _leave(self) -> None:
        with _guard:
            if self.file is not None:
                self.file.connections -= 1
                self.file = None


class SqliteFile:
    """The file that all connections of one `Database` use. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._path_text = str(self.path)
        self._log_path = Path(f"{self.path}-wal")
        self._log_path_text = str(self._log_path)
        self._file: _OpenFile | None = None
        self._checked_at = 0.0
        self.lost = False
        """Whether the open file is no longer the one at the path, so that its connections must be closed."""
        self.opening = 0
        """Number of times that a file was opened: a new number may mean another file."""

    def create(self) -> None:
        """Creates the folder and an empty file if they are missing, readable by the user of the process only.

        Raises OSError.
        """
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)

    def connect(self, wait_seconds: float, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
        """Returns a new connection, on which `prepare` has run its first statements. Raises Unavailable if the file
        is missing, or while a previous file is still in use.
        """
        with _guard:
            self._forget_lost_file()
            if self._file is None:
                self._file = self._open()
                self.opening += 1
            if not self._file.connections:
                # Closing the last connection deleted the log, unless another process uses it.
                self._file.log = None
            connection = sqlite3.connect(
                f"file:{quote(str(self.path))}?mode=rw",
                uri=True,
                factory=_Connection,
                check_same_thread=False,
                timeout=wait_seconds,
                isolation_level=None,
            )
            assert isinstance(connection, _Connection)
            connection.count_for(self._file)
            try:
                # Within the guard, because a connection opens the log only with its first statement. Until then,
                # another connection that closes would consider itself the last one, and delete the remembered log.
                prepare(connection)
                self.check()
                self.remember_log()
            except BaseException:
                # Any open connection, even a useless one, would prevent the file from being replaced.
                connection.close()
                raise
        return connection

    def check(self) -> None:
        """Raises Unavailable if the path no longer names the open file."""
        found = _identity(self._path_text)
        if self.lost or (self._file is not None and found != self._file.identity):
            self.lost = True
            raise self._missing("it was deleted" if found is None else "another file has replaced it")

    def check_log(self) -> None:
        """Raises Unavailable if the write-ahead log, which contains the last commits, was deleted or replaced."""
        file = self._file
        known = file.log if file is not None and file.connections else None
        if known is not None and _identity(self._log_path_text) != known:
            self.lost = True
            raise self._missing("its write-ahead log was deleted")

    def check_regularly(self) -> None:
        """Runs both checks at most ten times a second, for code that must detect a loss but acknowledges no change."""
        at = time.monotonic()
        if self.lost or at >= self._checked_at + CHECK_SECONDS:
            self.check()
            self.check_log()
            self._checked_at = at

    def remember_log(self) -> None:
        """Remembers which write-ahead log the connections use, once it exists: after the first connection was opened,
        or, for a new database, after the first commit.
        """
        if self._file is None or self._file.log is not None:
            return
        with _guard:
            if self._file is not None and self._file.connections and self._file.log is None:
                self._file.log = _identity(self._log_path_text)

    def close(self) -> None:
        """Releases the file if no connection of this process uses it now."""
        with _guard:
            if self._file is not None and not self._file.connections:
                self._release(self._file)

    def _open(self) -> _OpenFile:
        identity = _identity(self._path_text)
        if identity is None:
            raise self._missing("it does not exist")
        known = _open_files.get(identity)
        if known is not None:
            return known
        try:
            try:
                descriptor = os.open(self.path, os.O_RDWR)
            except OSError:  # the file may be read-only
                descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            cause = Cause.DESCRIPTORS if error.errno in (EMFILE, ENFILE) else Cause.REFUSED
            raise Unavailable(cause=cause, reason=f"{self.path}: {error.strerror}") from error
        opened = _OpenFile(descriptor)
        return _open_files.setdefault(opened.identity, opened)

    def _forget_lost_file(self) -> None:
        """Makes room for the file that is now at the path. Raises Unavailable while the previous one is in use.

        SQLite would apply the write-ahead log of the previous file to the new one and damage it; therefore the log is
        renamed. If the previous file itself is back, its log still belongs to it.
        """
        found, file = _identity(self._path_text), self._file
        if file is not None and _open_files.get(file.identity) is not file:
            file = self._file = None  # another `Database` of this process has released it
        if file is None:
            self.lost = False
        if file is None or (found == file.identity and not self.lost):
            return
        self.lost = True
        if file.connections:
            raise self._missing("connections to the previous file are still open")
        if found is None:
            raise self._missing("it was deleted")
        log_found = _identity(self._log_path_text)
        # The same file with a log is unchanged, or another process began a new log after all connections had closed.
        intact = found == file.identity and log_found is not None
        if not intact and not file.lock():
            raise self._missing("another process still uses the previous file")
        if found != file.identity and log_found is not None and log_found == file.log:
            aside = self._log_path.replace(f"{self._log_path}-of-previous-file")
            log.warning("write-ahead log of the previous database file set aside", file=str(aside))
            Path(f"{self.path}-shm").unlink(missing_ok=True)
        self._release(file)
        self.lost = False

    def _release(self, file: _OpenFile) -> None:
        self._file = None
        if _open_files.pop(file.identity, None) is file:
            os.close(file.descriptor)

    def _missing(self, what: str) -> Unavailable:
        return Unavailable(cause=Cause.MISSING, reason=f"{self.path}: {what}")
