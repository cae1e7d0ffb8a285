"""The file of an embedded database is deleted, replaced, damaged or made read-only while a server runs."""

import os
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings
from tests import processes
from tests.clients import Client
from tests.database.faults import (
    assert_logged,
    assert_not_ready,
    assert_unavailable,
    create,
    eventually_ready,
    readiness,
)
from tests.processes import ServeProcess, new_interpreters, run, serve
from tests.shared import Shared
from tests.waiting import eventually

GONE = "The database file was removed or replaced."


@pytest.fixture
def file(shared: Shared) -> Path:
    """The file of a database with one super admin."""
    return Path(shared.with_admin("sqlite").removeprefix("sqlite:///"))


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def server(file: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ServeProcess]:
    with serve(f"sqlite:///{file}", tmp_path / "server.log", workers=request.param) as server:
        yield server


@pytest.fixture
def client(server: ServeProcess) -> Client:
    client = server.sign_in()
    assert create(client, "Before").status_code == 201
    return client


def backup(file: Path, to: Path) -> Path:
    copied = run("backup", str(to), database_url=f"sqlite:///{file}")
    assert copied.returncode == 0, copied.stderr
    return to


def names(client: Client) -> set[str]:
    return {issue["name"] for issue in client.call("GET", "/api/issues", 200)["items"]}


def test_no_change_to_a_deleted_file_is_acknowledged(server: ServeProcess, client: Client, file: Path) -> None:
    copy, restored = backup(file, file.with_name("copy.db")), file.with_name("restored.db")
    file.unlink()
    for number in range(20):
        assert_unavailable(create(client, f"Lost {number}"), str(file))
    eventually(lambda: client.get("/api/issues").status_code == 503)
    assert_not_ready(server, GONE)
    assert not file.exists(), "nobody creates another one"

    shutil.copy(copy, restored)
    restored.rename(file)
    eventually_ready(server)
    eventually(lambda: create(client, "After").status_code in (201, 400))
    assert names(client) == {"Before", "After"}
    assert_logged(server, "it was deleted")


def test_moving_the_file_away_and_back_loses_nothing(server: ServeProcess, client: Client, file: Path) -> None:
    away = file.with_name("away.db")
    file.rename(away)
    assert_unavailable(create(client, "Meanwhile"))
    away.rename(file)
    eventually_ready(server)
    eventually(lambda: create(client, "After").status_code in (201, 400))
    assert names(client) - {"Meanwhile"} == {"Before", "After"}


def test_a_replaced_file_is_used(server: ServeProcess, client: Client, file: Path) -> None:
    copy = backup(file, file.with_name("copy.db"))
    assert create(client, "After the copy").status_code == 201
    copy.rename(file)
    eventually_ready(server)
    eventually(lambda: client.get("/api/issues").status_code == 200 and names(client) == {"Before"})
    eventually(lambda: create(client, "After").status_code in (201, 400))
    assert names(client) == {"Before", "After"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_deleted_log_is_detected(server: ServeProcess, client: Client, file: Path) -> None:
    """The last commits are only in the write-ahead log. The connections that have it open write them back."""
    file.with_name(f"{file.name}-wal").unlink()
    assert_unavailable(create(client, "Not acknowledged"))
    eventually_ready(server)
    eventually(lambda: create(client, "After").status_code in (201, 400))
    assert {"Before", "After"} <= names(client)
    checked = run("issue", "export", database_url=f"sqlite:///{file}")
    assert "Before" in checked.stdout and "After" in checked.stdout
    assert_logged(server, "its write-ahead log was deleted")


def test_a_damaged_file_is_reported_and_its_repair_detected(server: ServeProcess, client: Client, file: Path) -> None:
    good, bad = file.with_name("good.db"), file.with_name("bad.db")
    backup(file, good)
    bad.write_bytes(b"This is not a database. " * 1000)
    bad.rename(file)
    eventually(lambda: client.get("/api/issues").status_code == 503)
    eventually(lambda: "damaged" in readiness(server))
    for number in range(20):
        assert_unavailable(create(client, f"Lost {number}"), "not a database")
    good.rename(file)
    eventually_ready(server)
    eventually(lambda: create(client, "After").status_code in (201, 400))
    assert names(client) == {"Before", "After"}
    assert_logged(server, "file is not a database")


UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""Makes file permissions apply to root, too."""


def test_a_read_only_file_is_reported(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", [*UNPRIVILEGED, *processes.COMMAND])
    with new_interpreters(), serve(f"sqlite:///{file}", tmp_path / "server.log") as server:
        client = server.sign_in()
        copy = backup(file, file.with_name("copy.db"))
        copy.chmod(0o400)
        copy.rename(file)
        eventually(lambda: "read-only" in readiness(server))
        for number in range(20):
            assert_unavailable(create(client, f"Refused {number}"), "readonly")
        for beside in file.parent.glob(f"{file.name}*"):
            beside.chmod(0o600)
        eventually_ready(server)
        client = server.sign_in()
        assert create(client, "After").status_code == 201
        assert_logged(server, "readonly database", "no permission")

        # A folder that can no longer be entered says nothing about the file in it.
        mode = stat.S_IMODE(file.parent.stat().st_mode)
        file.parent.chmod(0)
        try:
            assert_unavailable(create(client, "Refused"), str(file))
            assert_unavailable(client.get("/api/issues"), str(file))
            assert readiness(server) == "The database refuses the connection."
        finally:
            file.parent.chmod(mode)
        eventually_ready(server)
        assert create(client, "At last").status_code == 201
        assert_logged(server, "Permission denied")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_closing_and_opening_connections_simultaneously_loses_no_log(migrated_url: str) -> None:
    """The last connection to close deletes SQLite's log; a connection that is opened then starts another log."""
    settings = Settings(database_url=migrated_url)

    def change(_: int) -> None:
        for _ in range(100):
            database = Database(settings)
            with database.write() as tx:
                tx.execute(text("UPDATE alembic_version SET version_num = version_num"))
            database.close()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(change, range(6))) == [None] * 6
