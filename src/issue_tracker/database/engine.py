"""Transactions on both databases: `read()` and `write()`, and nothing else gets a connection.

SQLite: WAL, `synchronous=FULL`, foreign keys on; writers begin with BEGIN IMMEDIATE and queue fairly.
PostgreSQL: reads see one snapshot; every wait has a limit, so that a lost server is an answer (503), not a hang.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, CursorResult, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from issue_tracker.database.before_commit import discard_collected, finish_transaction
from issue_tracker.errors import Invalid, Unavailable
from issue_tracker.settings import Settings

log = structlog.get_logger("issue_tracker.database")

SPARE_CONNECTIONS = 8
"""Beyond one per worker thread: the event stream and its wake-ups, the deliveries, the probes."""

PING_AFTER_IDLE_SECONDS = 5.0

MAPPED, UNMAPPED = "mmap_size=1073741824", "mmap_size=0"
"""How SQLite reads its file: mapped into memory, because its own cache is void after every commit of another connection
(docs/decisions/0015)."""

_NEWS = "news"
"""Where a transaction notes, in the connection's `info`, what its commit brings."""


WRITE = "BEGIN IMMEDIATE"
"""How a transaction that writes begins on SQLite."""

LOOK_AGAIN_SECONDS = 0.001
"""How long a process waits before it looks again whether another one has ended its transaction."""


class News(Enum):
    """What a commit may bring that somebody waits for."""

    EVENTS = "events were recorded"
    DELIVERIES = "messages to webhooks are due"


class FairLock:
    """A lock that is granted in the order of asking, with a time limit in seconds.

    SQLite lets waiting writers poll, and a late one may win; under many writers the unlucky would time out.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False

    def acquire(self, timeout: float) -> bool:
        """True when the lock was granted within `timeout` seconds."""
        with self._guard:
            if not self._held and not self._waiting:
                self._held = True
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
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False


class Database:
    """One process's connections to the database named in the settings."""

    def __init__(self, settings: Settings) -> None:
        self.url = database_url(settings.database_url)
        self.wait_seconds = settings.database_wait_seconds
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._write_turn = FairLock()
        self._closed = False
        self._doubted_at = 0.0
        self._slots = threading.Semaphore(settings.threads + SPARE_CONNECTIONS)
        self._idle: deque[tuple[Connection, float]] = deque()
        self._watching: PoolProxiedConnection | None = None
        self.engine = _engine(self.url, settings)
        # Transactions and prepared statements use the driver itself, so its errors come as they are.
        driver: Any = self.engine.dialect.dbapi
        lost: tuple[type[Exception], ...] = (OperationalError, InterfaceError, PoolTimeout, driver.OperationalError)
        self._unavailable = lost if self.sqlite else (*lost, driver.InterfaceError)
        self._conflict = (IntegrityError, driver.IntegrityError)
        self.trouble: tuple[type[Exception], ...] = (SQLAlchemyError, driver.Error)
        """What a lost or busy database raises on a connection that is used as it is."""
        # Called after each commit that brought such news; must neither wait nor raise.
        self.after: dict[News, list[Callable[[], None]]] = {news: [] for news in News}

    @contextmanager
    def read(self, *, in_bulk: bool = False) -> Iterator[Connection]:
        """One snapshot to read from. Raises Unavailable when the database cannot be reached in time.

        `in_bulk`: for reads that go through most of the data, once; they leave no file mapped into memory.
        """
        begin = "BEGIN" if self.sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with self._transaction(begin, UNMAPPED if in_bulk else MAPPED) as connection:
            yield connection

    def data_version(self) -> int | None:
        """A number that changes with every commit of another connection, of whichever process. For the event loop.

        SQLite only, where it costs microseconds: None on PostgreSQL, and when SQLite would have to wait.
        """
        if not self.sqlite:
            return None
        try:
            if self._watching is None:
                self._watching = self.engine.raw_connection()
                self._watching.cursor().execute("PRAGMA busy_timeout=0")
            driver: Any = self._watching.dbapi_connection
            return int(driver.execute("PRAGMA data_version").fetchone()[0])
        except self._unavailable:
            return None

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Connection]:
        """One transaction, committed (durably) when the block ends, rolled back when it raises.

        Raises Unavailable when the database cannot be reached, or is too busy, in time; without `wait`, on SQLite, as
        soon as anybody else is writing.
        """
        if not self.sqlite:
            with self._transaction("BEGIN") as connection:
                yield connection
        else:
            if not self._write_turn.acquire(self.wait_seconds if wait else 0):
                raise Unavailable
            try:
                with self._transaction(WRITE, wait=wait) as connection:
                    yield connection
            finally:
                self._write_turn.release()

    @contextmanager
    def _transaction(self, begin: str, mapping: str = MAPPED, *, wait: bool = True) -> Iterator[Connection]:
        """Begins and ends on the driver's connection: SQLAlchemy's own bookkeeping would cost more than a small query.

        Connections stay checked out between transactions, the last used first (docs/decisions/0010).
        """
        if not self._slots.acquire(timeout=self.wait_seconds):
            log.warning("database unavailable", reason="no connection is free")
            raise Unavailable
        connection: Connection | None = None
        try:
            connection = self._take()
            driver = self._begin(connection, begin, mapping, wait)
            yield connection
            finish_transaction(connection)
            if connection.in_transaction():
                connection.commit()
            driver.commit()
            brought: set[News] = connection.info.pop(_NEWS, set())
            self._give_back(connection)
            connection = None
        except self._unavailable as error:
            if wait:
                log.warning("database unavailable", reason=type(getattr(error, "orig", None) or error).__name__)
            raise Unavailable from error
        except self._conflict as error:
            raise Invalid("Something that this refers to was changed at the same time; try again.") from error
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            log.warning("database connection lost", reason=type(error.orig).__name__)
            raise Unavailable from error
        finally:
            if connection is not None:
                self._abandon(connection)
            self._slots.release()
        for news in brought:
            for wake in self.after[news]:
                wake()

    def _begin(self, connection: Connection, begin: str, mapping: str, wait: bool) -> Any:
        driver = _driver(connection)
        if self.sqlite and connection.info.get("mapping", MAPPED) != mapping:
            driver.execute(f"PRAGMA {mapping}")
            connection.info["mapping"] = mapping
        if begin == WRITE:
            self._begin_writing(driver, self.wait_seconds if wait else 0)
        else:
            driver.execute(begin)
        return driver

    def _begin_writing(self, driver: Any, seconds: float) -> None:
        """SQLite's own waiting looks more and more seldom, up to ten times a second, so that one process of several
        would starve. All look equally often here.
        """
        deadline = time.monotonic() + seconds
        driver.execute("PRAGMA busy_timeout=0")
        try:
            while True:
                try:
                    driver.execute(WRITE)
                    return
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                        raise
                time.sleep(LOOK_AGAIN_SECONDS)
        finally:
            driver.execute(f"PRAGMA busy_timeout={int(self.wait_seconds * 1000)}")

    def _take(self) -> Connection:
        """A connection that works: one that idled for long is asked first, because its server may be gone."""
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                break
            if self.sqlite or since > max(self._doubted_at, time.monotonic() - PING_AFTER_IDLE_SECONDS):
                return connection
            try:
                _driver(connection).execute("SELECT 1")
                return connection
            except self.trouble:
                self._discard(connection)
        return self.engine.connect()

    def _give_back(self, connection: Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._idle.append((connection, time.monotonic()))

    def _abandon(self, connection: Connection) -> None:
        """Rolls back after an error; a connection that cannot even do that is thrown away."""
        try:
            connection.info.pop(_NEWS, None)
            discard_collected(connection)
            if connection.in_transaction():
                connection.rollback()
            _driver(connection).rollback()
            self._give_back(connection)
        except self.trouble:
            self._discard(connection)

    def _discard(self, connection: Connection) -> None:
        """Closes a broken connection; what broke it may have broken the idle ones, so they are asked before use."""
        self._doubted_at = time.monotonic()
        connection.invalidate()
        connection.close()

    def close(self) -> None:
        """Closes every idle connection, and those in use when they end."""
        self._closed = True
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        while self._idle:
            connection, _ = self._idle.pop()
            connection.close()
        self.engine.dispose()


def _driver(connection: Connection) -> Any:
    """The driver's own connection; none is left of one that was invalidated, and using it then raises."""
    return connection.connection.dbapi_connection


def announce(tx: Connection, news: News) -> None:
    """Notes what the commit of this transaction will bring; who waits for it is woken then."""
    tx.info.setdefault(_NEWS, set()).add(news)


def created_id(inserted: CursorResult[Any]) -> int:
    """The id of the one row that a statement inserted."""
    key = inserted.inserted_primary_key
    assert key is not None
    return int(key[0])


def database_url(text: str) -> URL:
    """The URL with the driver that the product uses for its database."""
    url = make_url(text)
    if url.get_backend_name() in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def sqlite_path(url: URL) -> Path | None:
    """The file behind a SQLite URL; None for another database."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _engine(url: URL, settings: Settings) -> Engine:
    wait = settings.database_wait_seconds
    options: dict[str, Any] = {
        # Beyond those for transactions: for whoever holds one for long, to listen or to copy.
        "pool_size": settings.threads + 2 * SPARE_CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": wait,
        # An answer never shows a statement's values, and neither does the log.
        "hide_parameters": True,
    }
    if url.get_backend_name() == "sqlite":
        make_private(url)
        connect: dict[str, Any] = {"check_same_thread": False, "timeout": wait, "isolation_level": None}
        engine = create_engine(url, connect_args=connect, **options)
        event.listen(engine, "connect", _configure_sqlite)
    else:
        milliseconds = int(wait * 1000)
        connect = {
            # One round trip less: the transaction is begun by the statement below.
            "autocommit": True,
            "connect_timeout": max(2, int(wait) - 1),
            "tcp_user_timeout": milliseconds,
            "keepalives_idle": 30,
            "application_name": "issue-tracker",
            "options": f"-c timezone=UTC -c lock_timeout={milliseconds} -c statement_timeout=30000"
            " -c idle_in_transaction_session_timeout=60000",
        }
        engine = create_engine(url, connect_args=connect, **options)
    return engine


def make_private(url: URL) -> None:
    """Creates the folder and the file of an embedded database so that only its user can read them."""
    path = sqlite_path(url)
    if path is None or path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", MAPPED):
        connection.execute(f"PRAGMA {pragma}")
