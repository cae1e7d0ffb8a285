"""The database of one process: `read()` and `write()` transactions, on SQLite and on PostgreSQL.

SQLite: WAL, `synchronous=FULL`, foreign keys on; writers queue in the order of arrival. PostgreSQL: a read sees one
snapshot. Every wait has a limit, so that a lost or busy server leads to a response (503) and never to a hang. Whenever
a transaction fails, its connection is rolled back or discarded, so that no later transaction is affected.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, NoReturn

import structlog
from sqlalchemy import Connection, CursorResult
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from issue_tracker.database import write_trial
from issue_tracker.database.before_commit import discard_collected, finish_transaction
from issue_tracker.database.commit_topics import CommitNotifications, CommitTopic, take_announced
from issue_tracker.database.connections import NO_CONNECTION_FREE, SPARE_CONNECTIONS, Connections, pool_options
from issue_tracker.database.data_version import DataVersion
from issue_tracker.database.driver import driver, is_unstorable
from issue_tracker.database.lost_commits import UNKNOWN, Trace, has_ended, pauses, take_trace
from issue_tracker.database.postgresql import Postgresql
from issue_tracker.database.sqlite import Sqlite, sqlite_path
from issue_tracker.errors import AppError, Cause, Invalid, Unavailable
from issue_tracker.settings import Settings

log = structlog.get_logger("issue_tracker.database")

STORAGE_CAUSES = (Cause.FULL, Cause.STORAGE, Cause.READ_ONLY, Cause.MISSING, Cause.DAMAGED)
"""Causes for which changes fail while reads may still work."""


class Database:
    """One process's connections to the database named in the settings. Safe to use from several threads.

    The file of an embedded database must exist; `create` creates it. Raises SettingsError for an invalid URL.
    """

    def __init__(self, settings: Settings) -> None:
        self.wait_seconds = settings.database_wait_seconds
        self.path = path = sqlite_path(settings.database_url)
        self.sqlite = path is not None
        self._server: Sqlite | Postgresql = (
            Sqlite(path, self.wait_seconds)
            if path is not None
            else Postgresql(settings.database_url, self.wait_seconds)
        )
        self.engine = self._server.engine(**pool_options(settings))
        self._connections = Connections(self.engine, self._server, settings.threads + SPARE_CONNECTIONS)
        dbapi = self.engine.dialect.loaded_dbapi
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, dbapi.Error)
        self._conflicts: tuple[type[Exception], ...] = (IntegrityError, dbapi.IntegrityError)
        self._notifications = CommitNotifications()
        self._data_version = DataVersion(self.engine, self._server) if isinstance(self._server, Sqlite) else None
        self._write_failure: Unavailable | None = None

    def create(self) -> None:
        """Creates the file of an embedded database, readable by its user only, if it is missing. Raises OSError."""
        if isinstance(self._server, Sqlite):
            self._server.file.create()

    def read(self, *, in_bulk: bool = False) -> AbstractContextManager[Connection]:
        """Opens a transaction that reads one snapshot. Raises Unavailable if the database cannot be used in time.

        `in_bulk` is for reads that scan most of the data once: they do not map the file into memory.
        """
        return self._transaction(write=False, in_bulk=in_bulk, wait_seconds=self.wait_seconds)

    @contextmanager
    def write(self, *, wait_seconds: float | None = None, unseen: bool = False) -> Iterator[Connection]:
        """Opens a transaction, which is committed durably when the block ends, and rolled back when the block raises.

        Raises Unavailable if the database cannot be used in time, and Invalid if the change conflicts with another
        one. `wait_seconds` limits the wait for other writers on SQLite; the default is the setting. With 0, the
        transaction fails immediately if there is another writer, and the failure is not logged. `unseen` declares that
        no cached response depends on the change, so that the commit leaves `data_version` as it is.
        """
        wait = self.wait_seconds if wait_seconds is None else wait_seconds
        self._server.take_turn(wait)
        try:
            with self._transaction(write=True, in_bulk=False, wait_seconds=wait, unseen=unseen) as connection:
                yield connection
        finally:
            self._server.end_turn()

    @contextmanager
    def dedicated_connection(self) -> Iterator[Any]:
        """Opens a driver connection outside transactions, for a thread that listens or copies; closes it at the end.

        Raises Unavailable if the database cannot be used, also for an error of the driver inside the block.
        """
        held = None
        try:
            held = self.engine.raw_connection()
            yield held.driver_connection
        except Exception as error:
            self._raise_failure(error, self._failure(error, connecting=held is None), write=False, quiet=False)
        finally:
            if held is not None:
                held.invalidate()

    @property
    def opening(self) -> int | None:
        """A number that changes when the next transaction may see another database than the last one: another file,
        or another server after a failover. None while the file is known to be lost.
        """
        return self._server.opening

    def check_idle_connection(self) -> None:
        """Checks the connection that the next read uses, if it has been idle for long: if it is lost, `opening` changes
        before the read, and not by it.
        """
        self._connections.check_idle()

    @property
    def pooled(self) -> bool:
        """Whether a pooler such as PgBouncer assigns server connections, so that no state outlives a transaction."""
        return self._server.pooled

    def on_commit(self, topic: CommitTopic, callback: Callable[[], None]) -> None:
        """Registers a function to be called after each commit that announced the topic. It must not block or raise."""
        self._notifications.register(topic, callback)

    def check(self) -> None:
        """Raises Unavailable, with cause and reason, unless the database can be read and changed now.

        If the last change could not be stored, a change that needs much space is tried.
        """
        try:
            with self.read() as tx:
                self._server.check_writable(tx, self._write_failure)
        except Unavailable:
            self._connections.suspect_idle()
            raise
        if self._write_failure is not None:
            with suppress(write_trial.Undone), self.write() as tx:
                write_trial.make_large_change(tx)
            with self.write() as tx:
                write_trial.make_small_change(tx)
            self._write_failure = None

    def check_file(self) -> None:
        """Raises Unavailable if the file of an embedded database was deleted or replaced since it was opened.

        Cheap enough for a loop: it checks at most ten times a second.
        """
        self._server.check_file()

    def data_version(self) -> int | None:
        """Returns a number that changes with every commit, of any process, except those of `unseen` changes here.

        For the event loop only. None on PostgreSQL, and whenever SQLite cannot read it immediately.
        """
        return None if self._data_version is None else self._data_version.read()

    def close(self) -> None:
        """Closes every idle connection now, and the others when they are returned."""
        if self._data_version is not None:
            self._data_version.close()
        self._connections.close()
        self.engine.dispose()
        self._server.close()

    @contextmanager
    def _transaction(
        self, *, write: bool, in_bulk: bool, wait_seconds: float, unseen: bool = False
    ) -> Iterator[Connection]:
        """Begins and ends on the driver's connection: SQLAlchemy's bookkeeping costs more than a small query."""
        quiet = wait_seconds == 0
        if self._server.lost and self._data_version is not None:
            self._data_version.close()  # otherwise it would hold the deleted file open
        try:
            connection = self._connections.take(self.wait_seconds, write=write)
        except Exception as error:
            self._raise_failure(error, self._failure(error, connecting=True), write=write, quiet=quiet)
        inside, trace = False, None
        topics: frozenset[CommitTopic] = frozenset()
        try:
            self._server.begin(connection, write=write, in_bulk=in_bulk, wait_seconds=wait_seconds)
            inside = True
            yield connection
            if write:
                finish_transaction(connection)
                topics, trace = take_announced(connection), take_trace(connection)
            inside = False
            if unseen and self._data_version is not None:
                with self._data_version.unchanged(driver(connection)):
                    self._commit(connection, write=write)
            else:
                self._commit(connection, write=write)
        except BaseException as error:
            # An error that the block itself raised, even Unavailable, says nothing about this connection.
            failure = error if isinstance(error, Unavailable) and not inside else self._failure(error)
            broken = isinstance(failure, Unavailable) and failure.cause is not Cause.BUSY
            self._roll_back(connection, write=write, broken=broken)
            if trace is None or not isinstance(failure, Unavailable) or not self._was_stored(trace, failure):
                self._raise_failure(error, failure, write=write, quiet=quiet)
            self._notifications.send(topics)
            return
        self._notifications.send(topics)
        self._server.finish(connection, write=write, in_bulk=in_bulk)
        self._connections.give_back(connection, write=write)

    def _was_stored(self, trace: Trace, failure: Unavailable) -> bool:
        """Returns whether a transaction whose commit failed was committed nevertheless: if its connection was lost.

        Raises Unavailable, with a sentence that says so, if that cannot be found out within the usual wait.
        """
        if failure.cause is not Cause.UNREACHABLE:
            return False
        log.warning("a connection was lost during a commit", reason=failure.reason)
        for _ in pauses(self.wait_seconds):
            with suppress(Unavailable), self.write() as tx:
                if has_ended(tx, trace):
                    stored = trace.recorded(tx)
                    if stored:
                        # Its commit waits for the standbys for which the lost one may not have waited to the end.
                        write_trial.make_small_change(tx)
                    return stored
        raise Unavailable(UNKNOWN, reason=failure.reason)

    def _commit(self, connection: Connection, *, write: bool) -> None:
        found = driver(connection)
        if not self._server.in_transaction(found):
            raise Unavailable(cause=Cause.STORAGE, reason="a statement failed, and the whole transaction with it")
        try:
            if connection.get_transaction() is not None:
                connection.commit()
            else:
                found.commit()
        except self._errors:
            if write:
                self._server.settle(found)
            raise
        if write:
            self._server.check_commit()

    def _roll_back(self, connection: Connection, *, write: bool, broken: bool) -> None:
        """Rolls back a failed transaction. Discards the connection unless it is certainly idle afterwards.

        After a failed commit, SQLAlchemy's transaction is inactive but still exists, and the driver's may still be
        open.
        """
        try:
            take_announced(connection)
            take_trace(connection)
            discard_collected(connection)
            self._server.roll_back(driver(connection))
            connection.rollback()
            found = driver(connection)
            found.rollback()
            usable = not broken and connection.get_transaction() is None and self._server.is_idle(found)
        except self._errors:
            usable = False
        if usable:
            self._connections.give_back(connection, write=write)
        else:
            self._connections.discard(connection)

    def _failure(self, error: BaseException, *, connecting: bool = False) -> AppError | None:
        """Returns the meaning of an error for the caller: Unavailable or Invalid; None for any other kind of error."""
        if isinstance(error, self._conflicts):
            return Invalid("Something that this change refers to was changed at the same time; try again.")
        if is_unstorable(error):
            return Invalid("A text contains a NUL character or half of a surrogate pair, which cannot be stored.")
        if isinstance(error, PoolTimeout):
            return Unavailable(cause=Cause.BUSY, reason=NO_CONNECTION_FREE)
        if not isinstance(error, self._errors):
            return error if connecting and isinstance(error, Unavailable) else None
        of_driver = error.orig if isinstance(error, DBAPIError) else error
        found = self._server.failure(of_driver, connecting=connecting)
        if found is None and isinstance(error, DBAPIError) and error.connection_invalidated:
            found = Unavailable(reason=str(of_driver))
        # A full disk aborts SQLite's whole transaction; the rollback to a savepoint then fails and hides the reason.
        hidden = error.__cause__ or error.__context__
        return self._failure(hidden) if found is None and hidden is not None else found

    def _raise_failure(
        self, error: BaseException, failure: BaseException | None, *, write: bool, quiet: bool
    ) -> NoReturn:
        """Raises `failure`, or `error` if there is none; logs the reason why the database is unavailable."""
        if failure is None:
            raise error
        if isinstance(failure, Unavailable):
            if not (quiet and failure.cause is Cause.BUSY):
                log.warning("database unavailable", cause=failure.cause.name.lower(), reason=failure.reason)
            if write and failure.cause in STORAGE_CAUSES:
                self._write_failure = Unavailable(cause=failure.cause, reason=failure.reason)
        if failure is error:
            raise error
        raise failure from error


def created_id(inserted: CursorResult[Any]) -> int:
    """Returns the id of the one row that a statement inserted."""
    key = inserted.inserted_primary_key
    assert key is not None
    return int(key[0])
