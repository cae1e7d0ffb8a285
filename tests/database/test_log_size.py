"""SQLite's write-ahead log remains small while there are reads, or shrinks when a long read ends."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import CapturingLogger

from issue_tracker.actor import command_line
from issue_tracker.database import log_size
from issue_tracker.database.engine import Database
from issue_tracker.issues.operations import create_issue
from issue_tracker.names import parse_issue_name
from issue_tracker.settings import Settings
from tests.speed.test_slow_readers import slow_reader
from tests.waiting import eventually
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

LIMIT = 1 << 20
ONE_CHANGE = 1 << 19
"""More bytes than one change of these tests adds to the log."""

BUSY = text(
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 30000) SELECT max(n) FROM t, users"
)


@pytest.fixture(autouse=True)
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_size, "LIMIT_BYTES", LIMIT)


@pytest.fixture
def database(admin_url: str) -> Iterator[Database]:
    database = Database(Settings(database_url=admin_url))
    yield database
    database.close()


def _log_bytes(database: Database) -> int:
    return Path(f"{database.path}-wal").stat().st_size


_turn = itertools.count()


def _change(database: Database, size: int = 200_000) -> None:
    """Writes this many bytes, each time different ones, because SQLite does not write unchanged pages."""
    with database.write() as tx:
        tx.execute(text("UPDATE users SET name = :name"), {"name": f"{next(_turn):010}" * (size // 10)})


@contextmanager
def _overlapping_readers(database: Database) -> Iterator[None]:
    """Runs short reads, at least one of which is active at any time."""
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with database.read() as tx:
                tx.execute(BUSY).scalar_one()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        done.set()
        for reader in readers:
            reader.join()


def test_overlapping_reads_do_not_make_the_log_grow(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_size, "TOTAL_WAIT_SECONDS", 10)
    largest = 0
    with _overlapping_readers(database):
        for _ in range(60):
            _change(database)
            largest = max(largest, _log_bytes(database))
    assert largest <= LIMIT


def test_the_log_shrinks_when_a_long_read_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_size, "TOTAL_WAIT_SECONDS", 0.01)
    logged = CapturingLogger()
    monkeypatch.setattr(log_size, "log", logged)
    with database.read() as tx:
        before = tx.execute(text("SELECT name FROM users")).scalars().all()
        for _ in range(20):
            _change(database)
        assert tx.execute(text("SELECT name FROM users")).scalars().all() == before
        assert _log_bytes(database) > 2 * LIMIT, "a snapshot needs the log"
    assert [call.args for call in logged.calls] == [("write-ahead log is growing: a long read needs it",)]

    def changed() -> bool:
        _change(database, 10)
        return _log_bytes(database) <= LIMIT

    eventually(changed)


def test_growth_is_reported_although_an_attempt_without_waiting_failed_before(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_size, "TOTAL_WAIT_SECONDS", 0.01)
    logged = CapturingLogger()
    monkeypatch.setattr(log_size, "log", logged)
    with database.read() as tx:
        tx.execute(text("SELECT name FROM users")).scalars().all()
        monkeypatch.setattr(log_size, "LIMIT_BYTES", 100 * LIMIT)
        for _ in range(20):
            _change(database)
        monkeypatch.setattr(log_size, "LIMIT_BYTES", LIMIT)
        with database.read(in_bulk=True) as dump:
            dump.execute(text("SELECT name FROM users")).scalars().all()
        assert logged.calls == []
        _change(database, 10)
        assert [call.args for call in logged.calls] == [("write-ahead log is growing: a long read needs it",)]


def test_a_dump_leaves_a_small_log(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_size, "TOTAL_WAIT_SECONDS", 0.01)
    with database.read(in_bulk=True) as tx:
        tx.execute(text("SELECT name FROM users")).scalars().all()
        for _ in range(20):
            _change(database)
        assert _log_bytes(database) > 2 * LIMIT
    assert _log_bytes(database) == 0


def test_a_failure_to_reset_the_log_does_not_fail_a_change(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_size, "TOTAL_WAIT_SECONDS", 0.01)
    logged = CapturingLogger()
    monkeypatch.setattr(log_size, "log", logged)
    # A failing statement simulates a failing disk.
    monkeypatch.setattr(log_size, "EMPTY", "SELECT no_such_column")
    for _ in range(10):
        _change(database)
    assert "no such column: no_such_column" in {call.kwargs.get("reason") for call in logged.calls}
    with database.read() as tx:
        assert tx.execute(text("SELECT max(length(name)) FROM users")).scalar_one() == 200_000


def test_a_slow_reader_of_a_list_does_not_make_the_log_grow(world: World) -> None:
    description = "x" * 10_000
    with world.database.write() as tx:
        for number in range(600):  # more than the system buffers for a reader
            create_issue(tx, command_line("tests"), parse_issue_name(f"Fault {number}"), description)
    client = world.client("tess")
    with ExitStack() as stack:
        reader = slow_reader(stack, world, "/api/issues")
        assert reader.recv(1) == b"H"
        for number in range(60):
            client.call("PUT", f"/api/issues/Fault {number}", 200, json={"description": f"{number} {'y' * 9_000}"})
            assert _log_bytes(world.database) < LIMIT + ONE_CHANGE
