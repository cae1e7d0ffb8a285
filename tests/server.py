"""The real application in a real server on a real socket, in a thread of the test process."""

import socket
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import uvicorn

from issue_tracker import retention
from issue_tracker.app import create_app
from issue_tracker.cli.supervisor import server_options
from issue_tracker.database import migrate
from issue_tracker.database.driver import driver
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import history_identity, metadata, schema_compatibility, server_key
from issue_tracker.errors import Unavailable
from issue_tracker.events import deferred
from issue_tracker.settings import Settings

TABLES = [
    table.name for table in metadata.sorted_tables if table not in (history_identity, schema_compatibility, server_key)
]
"""The tables that are emptied between tests. The history's identity, the schema and the server key remain, because
numbers continue.
"""

MANY = 1000
"""The number of rows of a table, present or already deleted, from which PostgreSQL truncates it instead of deleting."""

_filled = " UNION ALL ".join(
    f"SELECT '{name}', rows FROM (SELECT count(*) AS rows FROM (SELECT FROM {name} LIMIT {MANY}) AS found) AS counted"
    " WHERE rows > 0"
    for name in TABLES
)


# Tests move the clock and count rows, so nothing is deleted automatically unless a test enables it.
retention.FIRST_SECONDS = 1e6
deferred.DELAY_SECONDS = 1e6


class Server:
    """A served application. With `database` tests access the same data directly."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.settings = settings
        self.url = url
        self.engine = "sqlite" if settings.sqlite else "postgresql"
        self.database = Database(settings)
        self._emptying: psycopg.Connection | None = None
        self._deleted: Counter[str] = Counter()

    def empty(self) -> None:
        """Deletes every row. As in production, numbers are not reused, so that caches remain correct.

        Requests of the previous test may still lock a table; then the deletion is retried.
        """
        for attempt in range(5):
            try:
                return self._empty_sqlite() if self.database.sqlite else self._empty_postgresql()
            except (Unavailable, psycopg.OperationalError):
                if attempt == 4:
                    raise

    def close(self) -> None:
        """Closes the connections of the tests."""
        self.database.close()
        if self._emptying is not None:
            self._emptying.close()

    def _empty_sqlite(self) -> None:
        with self.database.write() as tx:
            for name in reversed(TABLES):
                driver(tx).execute(f"DELETE FROM {name}")

    def _empty_postgresql(self) -> None:
        """Most tables have few rows, and truncating a table costs more than deleting a few rows. Deleted rows remain in
        the file, because autovacuum is off, and delay the next tests until the table is truncated.

        The connection runs no triggers, because all tables become empty. Other connections could not be used: the
        change of the setting discards their plans, and making them again takes longer than the deletion.
        """
        if self._emptying is None or self._emptying.closed:
            options = "-c session_replication_role=replica -c lock_timeout=5s"
            self._emptying = psycopg.connect(self.settings.database_url, autocommit=True, options=options)
        filled: dict[str, int] = dict(self._emptying.execute(_filled, prepare=True))
        if not filled:
            return
        self._deleted.update(filled)
        many = [name for name in filled if self._deleted[name] >= MANY]
        statements = [f"DELETE FROM {name}" for name in filled if name not in many]
        if many:
            statements.append(f"TRUNCATE {', '.join(many)} CASCADE")
        self._emptying.execute("; ".join(statements))
        for name in many:
            del self._deleted[name]


@contextmanager
def serving(settings: Settings, *, public_url: str | None = None, stop_seconds: float = 20) -> Iterator[Server]:
    """Serves with these settings until the block ends. The public URL is the server's own unless another one is given,
    in which `{port}` is replaced by the server's port. A server that has not stopped after `stop_seconds` is left
    alone, and a warning says what it is doing.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    public_url = (public_url or url).replace("{port}", str(port))
    settings = Settings(
        **{name: getattr(settings, name) for name in Settings.__struct_fields__} | {"public_url": public_url}
    )
    migrated = Database(settings)
    migrate.upgrade(migrated)
    migrated.close()
    options = {**server_options(settings), "factory": False, "log_level": "error"}
    config = uvicorn.Config(create_app(settings), **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    served = Server(settings, url)
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join(stop_seconds)
        if frame := sys._current_frames().get(thread.ident or 0):
            stack = "".join(traceback.format_stack(frame))
            warnings.warn(f"The server on {settings.database_url} did not stop:\n{stack}", stacklevel=1)
        served.close()
        listener.close()
