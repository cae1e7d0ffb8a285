"""How the product connects to PostgreSQL: its URL, and the session settings that its behaviour relies on.

Defaults of a server, a database or a role, environment variables (PGDATESTYLE, PGOPTIONS …) and options in the URL must
not change the product's behaviour. Every session therefore gets the settings below: once per connection, or, behind a
pooler such as PgBouncer, which assigns another server connection to every transaction, at the start of each
transaction.
"""

import re
import shlex
from errno import EMFILE, ENFILE
from os import strerror
from typing import Any

from sqlalchemy import Connection, Engine, create_engine

from issue_tracker.database.disk import no_descriptor_left
from issue_tracker.database.driver import driver
from issue_tracker.errors import Cause, Unavailable
from issue_tracker.settings import PREFIX, SettingsError

READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"

STATEMENT_SECONDS = 30
IDLE_IN_TRANSACTION_SECONDS = 60

IN_TRANSACTION, FAILED = 2, 3
"""libpq's PQTRANS_INTRANS and PQTRANS_INERROR."""

_SYNCHRONOUS = "current_setting('synchronous_commit')"
_DURABLE = f"CASE {_SYNCHRONOUS} WHEN 'off' THEN 'on' ELSE {_SYNCHRONOUS} END"
"""A change is on disk when its response is sent. The administrator decides what standbys must have done by then."""

_CAUSES = {
    "08": Cause.UNREACHABLE,
    "25006": Cause.READ_ONLY,
    "25P03": Cause.UNREACHABLE,
    "28": Cause.REFUSED,
    "3D": Cause.REFUSED,
    "3F": Cause.SCHEMA,
    "40001": Cause.BUSY,
    "40P01": Cause.BUSY,
    "42501": Cause.REFUSED,
    "42703": Cause.SCHEMA,
    "42883": Cause.SCHEMA,
    "42P01": Cause.SCHEMA,
    "53": Cause.BUSY,
    "53100": Cause.FULL,
    "55006": Cause.BUSY,
    "55P03": Cause.BUSY,
    "57": Cause.UNREACHABLE,
    "57014": Cause.BUSY,
    "58": Cause.STORAGE,
    "XX001": Cause.DAMAGED,
    "XX002": Cause.DAMAGED,
}
"""Causes by SQLSTATE, or by its class (PostgreSQL documentation, appendix A)."""

_PHRASES = {
    "session is read-only": Cause.READ_ONLY,
    "during recovery": Cause.READ_ONLY,
    "in a hot standby": Cause.READ_ONLY,
    "starting up": Cause.UNREACHABLE,
    "shutting down": Cause.UNREACHABLE,
    "not yet accepting": Cause.UNREACHABLE,
    "not accepting": Cause.UNREACHABLE,
    "in recovery mode": Cause.UNREACHABLE,
    "too many clients": Cause.BUSY,
    "too many connections": Cause.BUSY,
    "no more connections allowed": Cause.BUSY,
    strerror(EMFILE): Cause.DESCRIPTORS,
    strerror(ENFILE): Cause.DESCRIPTORS,
}
"""Causes by words of the message, if there is no SQLSTATE (while connecting), or one with several meanings."""


_NEWER = {"idle_session_timeout", "transaction_timeout"}
"""Settings of sessions that older servers do not have: they came with PostgreSQL 14 and 17."""


class Postgresql:
    """One database on a server. `wait_seconds` limits every wait for a connection or a lock."""

    lost = False
    """Whether all open connections must be closed. Connections to a server are lost one by one, so never."""

    writing = False
    """Whether changes are made one at a time, and one is being made now. Servers make them side by side, so never."""

    opening = 0
    """A number that changes when another server may respond, because a connection was lost."""

    def __init__(self, url: str, wait_seconds: float) -> None:
        given, options = _parameters(url)
        hosts = str(given.get("host") or "").count(",") + 1
        milliseconds = int(wait_seconds * 1000)
        self._parameters: dict[str, Any] = {
            # libpq applies this to each host, and its minimum is two seconds.
            "connect_timeout": max(2, int((wait_seconds - 1) / hosts)),
            "tcp_user_timeout": milliseconds,
            "keepalives_idle": 30,
            "application_name": "issue-tracker",
            # A standby has old data and rejects every change. With several hosts, libpq finds the primary.
            "target_session_attrs": "read-write",
        } | given
        settings = options | {
            "timezone": "UTC",
            "datestyle": "ISO, MDY",
            "standard_conforming_strings": "on",
            "transform_null_equals": "off",
            "lock_timeout": str(milliseconds),
            "statement_timeout": str(STATEMENT_SECONDS * 1000),
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_SECONDS * 1000),
            # Connections wait in the pool, and a thread listens, for as long as nothing happens.
            "idle_session_timeout": "0",
            "transaction_timeout": "0",
        }
        self.pooled = False
        self._for_session = _set_config(settings, local=False)
        self._for_transaction = _set_config(settings, local=True)

    def engine(self, **pool: Any) -> Engine:
        """Returns an engine whose connections have the product's settings."""
        return create_engine("postgresql+psycopg://", creator=self._connect, **pool)

    def take_turn(self, wait_seconds: float) -> None:
        """Does nothing: the server runs changes to different rows concurrently."""

    def end_turn(self) -> None:
        """Does nothing, because `take_turn` does nothing."""

    def begin(self, connection: Connection, *, write: bool, in_bulk: bool, wait_seconds: float) -> None:
        """Begins a transaction, without a round trip of its own."""
        begin = WRITE if write else READ
        found = driver(connection)
        found.begin(f"{begin}; {self._for_transaction}" if found.pooled else begin, write=write)

    def in_transaction(self, connection: Any) -> bool:
        """Returns whether the driver's connection has a transaction that can be committed.

        After a failed statement, the server would respond to COMMIT with a rollback, without an error.
        """
        return bool(connection.in_transaction)

    def roll_back(self, connection: Any) -> None:
        """Rolls back what the driver's connection has begun, unless a statement is still being executed.

        The driver's own rollback would discard every prepared statement, because the transaction might have created
        the tables to which a statement refers. Only migrations create tables, without preparing statements. Otherwise
        each refused request would make the server plan the statements of the next requests again.
        """
        connection.forget_waiting()
        if connection.pgconn.transaction_status in (IN_TRANSACTION, FAILED):
            connection.pgconn.exec_(b"ROLLBACK")

    def is_idle(self, connection: Any) -> bool:
        """Returns whether no transaction is open on the driver's connection."""
        return bool(connection.is_idle)

    def is_alive(self, connection: Any) -> bool:
        """Returns whether the connection's server responds and accepts changes. Raises the driver's errors."""
        return bool(connection.execute("SHOW transaction_read_only").fetchone()[0] == "off")

    def check_file(self) -> None:
        """Does nothing: there is no file."""

    def settle(self, connection: Any) -> None:
        """Does nothing: the server knows whether a commit happened."""

    def check_commit(self) -> None:
        """Does nothing: the server has confirmed the commit."""

    def finish(self, connection: Connection, *, write: bool, in_bulk: bool) -> None:
        """Does nothing: the server limits the size of its log."""

    def check_writable(self, tx: Connection, failure: Unavailable | None) -> None:
        """Raises Unavailable if the server accepts no changes, because it is a standby or was made read-only."""
        query = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"
        if driver(tx).execute(query).fetchone()[0]:
            raise Unavailable(cause=Cause.READ_ONLY, reason="the server is read-only")

    def close(self) -> None:
        """Does nothing: there are no resources to release."""

    def failure(self, error: Any, *, connecting: bool) -> Unavailable | None:
        """Returns a driver's error as Unavailable; None if the error does not concern the database's availability.

        While `connecting`, every error of the driver means that the database is unavailable.
        """
        import psycopg  # noqa: PLC0415 - takes memory that servers on SQLite save

        if not isinstance(error, psycopg.Error):
            return None
        reason = (connecting and no_descriptor_left()) or _reason(error)
        state = error.sqlstate or ""
        cause = _CAUSES.get(state) or _CAUSES.get(state[:2])
        if cause is None and state in ("", "0A000"):
            cause = next((found for phrase, found in _PHRASES.items() if phrase in reason), None)
        if cause is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            cause = Cause.REFUSED if connecting and "FATAL:" in reason else Cause.UNREACHABLE
        if cause is None and connecting:
            cause = Cause.REFUSED
        return None if cause is None else Unavailable(cause=cause, reason=reason)

    def _connect(self) -> Any:
        import psycopg  # noqa: PLC0415 - takes memory that servers on SQLite save

        from issue_tracker.database.postgresql_connection import PostgresqlConnection  # noqa: PLC0415 - loads psycopg

        # Empty `options` override the environment's. Without autocommit, the driver would begin transactions.
        given: Any = self._parameters | {"client_encoding": "UTF8", "options": ""}
        try:
            connection = PostgresqlConnection.connect(**given, autocommit=True)
        except OSError as error:  # psycopg waits for the connection with a file descriptor of its own
            raise psycopg.OperationalError(error.strerror or "") from error
        try:
            self._configure(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _configure(self, connection: Any) -> None:
        """Applies the settings to the session, or detects that a pooler makes that impossible.

        The process id from the protocol's start-up is the server's own, unless a pooler invented it.
        """
        direct = f"{self._for_session} WHERE pg_backend_pid() = {connection.info.backend_pid}"
        self.pooled = connection.pooled = connection.execute(direct).fetchone() is None
        if self.pooled:
            # A prepared statement would remain on a server connection that other clients use.
            connection.prepare_threshold = None


_attempt = re.compile(r"^- host: .*?, hostaddr: '[^']*': (.*)$", re.MULTILINE)


def _reason(error: Any) -> str:
    """Returns the first line of the driver's message, which contains no values of a statement, and the server's hint.

    With several hosts, returns the line of each.
    """
    message = error.diag.message_primary or str(error).strip() or type(error).__name__
    line = "; ".join(_attempt.findall(message)) or message.splitlines()[0].rstrip(". ")
    hint = error.diag.message_hint
    return f"{line} ({hint.rstrip('.')})" if hint else line


def _parameters(url: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns the connection parameters of a URL, and the session settings in its `options`.

    Raises SettingsError if libpq rejects the URL. libpq's own message may show the password, so it is not repeated.
    """
    import psycopg  # noqa: PLC0415 - takes memory that servers on SQLite save
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - loads psycopg

    try:
        parameters: dict[str, Any] = dict(conninfo_to_dict(f"postgresql://{url.partition('://')[2]}"))
    except psycopg.ProgrammingError as error:
        known = str(error).strip()
        shown = f": {known}" if known.startswith("invalid URI query parameter") else ""
        raise SettingsError(f"{PREFIX}DATABASE_URL cannot be read{shown}.") from None
    return parameters, _options(str(parameters.pop("options", None) or ""))


def _options(text: str) -> dict[str, str]:
    """Returns the settings in a URL's `options`, such as `-c search_path=tracker`. Raises SettingsError otherwise."""
    settings: dict[str, str] = {}
    words = iter(shlex.split(text))
    for word in words:
        setting = next(words, "") if word == "-c" else word.removeprefix("--") if word[:2] == "--" else word[2:]
        name, equals, value = setting.partition("=")
        if word[:2] not in ("-c", "--") or not (name and equals):
            raise SettingsError(f"{PREFIX}DATABASE_URL: options must be like -c search_path=tracker.")
        settings[name.replace("-", "_").lower()] = value
    return settings


def _set_config(settings: dict[str, str], *, local: bool) -> str:
    """Returns a statement that applies all settings and makes commits durable, per transaction (`local`) or session."""
    calls = []
    for name, value in settings.items():
        call = f"set_config({_literal(name)}, {_literal(value)}, {local})"
        if name not in _NEWER:
            calls.append(call)
        elif not local:
            calls.append(f"CASE WHEN current_setting({_literal(name)}, true) IS NOT NULL THEN {call} END")
    durable = f"set_config('synchronous_commit', {_DURABLE}, {local})"
    return f"SELECT {', '.join(calls)}, {durable}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
