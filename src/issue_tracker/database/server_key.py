"""The source of the server key, which no operator needs to prepare (docs/decisions/0022-server-key.md).

The setting `secret_key` contains it. Without the setting, it is generated once: on SQLite, in a file next to the
database (`…-key`) that only its owner can read; on PostgreSQL, whose nodes share no file, in the database, with a
warning.
"""

import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.database.disk import synchronize
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import server_key
from issue_tracker.encryption import SHORTEST_KEY, Keyring, generate_key, split_keys
from issue_tracker.errors import Cause, Unavailable
from issue_tracker.settings import PREFIX, Settings

log = structlog.get_logger("issue_tracker.server_key")

SUFFIX = "-key"

KEY_WAIT_SECONDS = 2.0
"""How long a key file may be empty while another process writes the key."""


class ServerKey:
    """The keys of one process, read at the first use."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self._given = split_keys(settings.secret_key)
        self._file = None if database.path is None else database.path.absolute()
        self._lock = threading.Lock()
        self._keyring: Keyring | None = None

    def start(self) -> None:
        """Reads the keys, so that the first request need not. If that fails, a later call reads them."""
        with suppress(Unavailable, SQLAlchemyError):
            self.keyring()

    def keyring(self) -> Keyring:
        """Returns the keys, the current one first. Must not be called in a write transaction. Raises Unavailable."""
        if self._keyring is None:
            # Each thread may wait for an unreachable database, and all of them would wait one after another.
            if not self._lock.acquire(timeout=self.database.wait_seconds):
                raise Unavailable
            try:
                self._keyring = self._keyring or Keyring(self._find())
            finally:
                self._lock.release()
        return self._keyring

    def forget_stored(self) -> bool:
        """Deletes the key in the database if the settings contain one. Returns whether there was one to delete."""
        if not self._given:
            return False
        with self.database.write() as tx:
            return tx.execute(delete(server_key)).rowcount > 0

    def _find(self) -> list[str]:
        keys = list(self._given)
        if self._file is not None:
            adjacent = _key_in(self._file.with_name(self._file.name + SUFFIX), create=not keys)
            keys += [adjacent] if adjacent else []
        with self.database.read() as tx:
            stored = tx.execute(select(server_key.c.key)).scalar()
        if stored is None and not keys:
            stored = self._generated()
        if not keys:
            log.warning(
                "the key that encrypts secrets is stored in the database itself; set "
                f"{PREFIX}SECRET_KEY_FILE, the same on every node, and run `issue-tracker reencrypt`"
            )
        return keys + ([stored] if stored else [])

    def _generated(self) -> str:
        with self.database.write() as tx:
            if not self.database.sqlite:
                # Several nodes may start with a new database at the same time.
                tx.execute(text("LOCK TABLE server_key IN SHARE ROW EXCLUSIVE MODE"))
            stored = tx.execute(select(server_key.c.key)).scalar()
            if stored is None:
                stored = generate_key()
                tx.execute(insert(server_key).values(row=1, key=stored))
            return str(stored)


def _key_in(path: Path, *, create: bool) -> str | None:
    """Returns the key in a file; if it is missing, creates it with a new key or returns None. Raises Unavailable."""
    try:
        if create and not path.exists():
            _create(path)
        deadline = time.monotonic() + KEY_WAIT_SECONDS
        while len(key := path.read_text(encoding="ascii").strip()) < SHORTEST_KEY:
            if time.monotonic() > deadline:
                raise Unavailable(cause=Cause.STORAGE, reason=f"{path} contains no key.")
            time.sleep(0.05)
        return key
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError) and not create:
            return None
        raise Unavailable(cause=Cause.STORAGE, reason=f"{path}: {error}.") from error


def _create(path: Path) -> None:
    """Writes a new key into a file that only its owner can read, unless another process created it first."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(generate_key() + "\n")
            file.flush()
            os.fsync(handle)
        try:
            os.link(name, path)
        except FileExistsError:
            return
        except OSError:  # the file system does not support hard links
            Path(name).replace(path)
        with suppress(OSError):  # not every file system supports fsync on a folder
            synchronize(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)
