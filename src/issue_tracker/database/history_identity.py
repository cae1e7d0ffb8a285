"""The identity of a database's history, which changes when the database is restored (docs/decisions/0020).

Validators and positions include the identity, so those from before a restore are no longer valid. The database stores
it together with the location of the database. A database that is found in another location was restored.

- SQLite: the location is the inode of the file, and a token in a file next to it (`…-history`). The token changes when
  a server starts and when it stops, so a copy contains an old token as soon as the server was stopped. `issue-tracker
  backup` removes the location from the copy.
- PostgreSQL: the location is the system identifier and the timeline of the cluster, the database, and the transaction
  that wrote the row. Loading a dump writes the row in another transaction; recovery starts another timeline.
"""

import os
import secrets
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy import Connection, delete, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.database.engine import Database
from issue_tracker.database.tables import history_identity
from issue_tracker.errors import Unavailable

log = structlog.get_logger("issue_tracker.database")

SKIPPED_EVENTS = 100_000_000
"""Number of event ids that a new history skips, more than any server records between two backups. A `Last-Event-ID`
from before the restore is therefore lower than every new event, and no event is missed."""

SKIP_EVENTS = {
    "sqlite": f"UPDATE sqlite_sequence SET seq = seq + {SKIPPED_EVENTS} WHERE name = 'events'",  # noqa: S608 - a number
    "postgresql": f"SELECT setval('events_event_id_seq', last_value + {SKIPPED_EVENTS})"  # noqa: S608 - a number
    " FROM events_event_id_seq",
}
"""The statement that makes the next event ids those of a new history, by the name of the database."""

SUFFIX = "-history"


class HistoryIdentity:
    """The identity of the history that this process serves, read once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._path = None if database.path is None else database.path.absolute()
        self._lock = threading.Lock()
        self._identity: str | None = None
        self._opening: int | None = None

    def start(self) -> None:
        """Reads the identity, and replaces it if the database was restored. If that fails, `refresh` does it later."""
        with suppress(Unavailable, SQLAlchemyError):
            self._find()

    def stop(self) -> None:
        """Renews the token, so that copies made while the server ran are recognized."""
        if self._path is not None and self._identity is not None:
            self.start()

    @property
    def identity(self) -> str:
        """The identity that `refresh` read. Raises Unavailable if another file was opened since."""
        if self._identity is None or (self._path is not None and not self._known()):
            raise Unavailable
        return self._identity

    def refresh(self) -> None:
        """Reads the identity if it is unknown, or if another file or server may have replaced the previous one.

        Must not be called in a transaction. Costs nothing if the identity is known. Raises Unavailable.
        """
        if self._path is None:
            self._database.check_idle_connection()
        if self._known():
            return
        if not self._lock.acquire(timeout=self._database.wait_seconds):
            raise Unavailable
        try:
            if not self._known():
                self._find()
        finally:
            self._lock.release()

    def _known(self) -> bool:
        return self._identity is not None and self._opening == self._database.opening

    def _find(self) -> None:
        if self._path is None:
            # Read-only unless a change is needed, because the server may be read-only.
            with self._database.read() as tx:
                opening = self._database.opening
                row = tx.execute(select(history_identity.c.identity, history_identity.c.place)).first()
                if row is not None and row.place == self._place(tx):
                    self._identity, self._opening = str(row.identity), opening
                    return
        with self._database.write() as tx:
            opening = self._database.opening
            if self._path is None:
                # Several nodes may start with a new database at the same time.
                tx.execute(text("LOCK TABLE history_identity IN SHARE ROW EXCLUSIVE MODE"))
            row = tx.execute(select(history_identity.c.identity, history_identity.c.place)).first()
            identity = None if row is None else str(row.identity)
            if identity is None or row is None or row.place != self._place(tx):
                if identity is not None:
                    log.warning("the database was restored or moved: validators and positions start over")
                    tx.execute(text(SKIP_EVENTS[tx.dialect.name]))
                identity = secrets.token_hex(8)
            if row is None or self._path is not None or identity != row.identity:
                self._renew(tx, identity)
        self._identity, self._opening = identity, opening

    def _place(self, tx: Connection) -> str:
        """Returns the present location of the database, in the form in which `_renew` stores it."""
        if self._path is None:
            written = tx.execute(text("SELECT xmin::text FROM history_identity")).scalar_one()
            return f"{_cluster(tx)}:{written}"
        return f"{_inode(self._path)}:{_token(self._path)}"

    def _renew(self, tx: Connection, identity: str) -> None:
        """Writes the row. The token is written to its file first: a crash in between only changes the identity."""
        if self._path is None:
            current = tx.execute(text("SELECT pg_current_xact_id()::text")).scalar_one()
            place = f"{_cluster(tx)}:{int(current) % 2**32}"
        else:
            place = f"{_inode(self._path)}:{_write_token(self._path)}"
        tx.execute(delete(history_identity))
        tx.execute(insert(history_identity).values(row=1, identity=identity, place=place))


def forget_place(copy: sqlite3.Connection) -> None:
    """Marks the copy of a SQLite database, so that it gets a new identity wherever it is served."""
    with suppress(sqlite3.OperationalError):  # databases of early versions have no identity
        copy.execute("UPDATE history_identity SET place = ''")
        copy.commit()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _token(path: Path) -> str:
    try:
        return path.with_name(path.name + SUFFIX).read_text().strip()
    except OSError:
        return ""


def _write_token(path: Path) -> str:
    """Writes a new token into its file, readable by the user of the database only; returns the file's token."""
    token, new = secrets.token_hex(8), path.with_name(f"{path.name}{SUFFIX}.{os.getpid()}")
    try:
        new.touch(mode=0o600)
        new.write_text(token)
        new.replace(path.with_name(path.name + SUFFIX))
    except OSError as error:
        log.warning("a restored database will be recognized only by its inode", reason=str(error))
        with suppress(OSError):
            path.with_name(path.name + SUFFIX).unlink(missing_ok=True)
        return _token(path)
    return token


def _cluster(tx: Connection) -> str:
    """Returns the cluster and its timeline, if the user may read them, and the database."""
    database = tx.execute(text("SELECT oid FROM pg_database WHERE datname = current_database()")).scalar_one()
    may = "has_function_privilege('pg_control_system()', 'EXECUTE')"
    may += " AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')"
    if not tx.execute(text(f"SELECT {may}")).scalar_one():
        return str(database)
    query = "SELECT system_identifier, timeline_id FROM pg_control_system(), pg_control_checkpoint()"
    system, timeline = tx.execute(text(query)).one()
    return f"{system}:{timeline}:{database}"
