"""After a restore, the history is a new one: no earlier value is mistaken for a current one (contract, 5)."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from issue_tracker.database import connections
from issue_tracker.database.history_identity import HistoryIdentity
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.database.sessions import end_connections, execute
from tests.events.listening import Listening
from tests.postgresql import binaries
from tests.processes import run
from tests.server import serving
from tests.world import Clock, World

FAULT = "/api/issues/Fault"


class Seen(msgspec.Struct):
    """The values that a client stores of one state: validators, a position, and the last event."""

    issue: str
    issues: str
    position: str
    event_id: int


def look(client: Client) -> Seen:
    listed = client.get("/api/issues")
    return Seen(
        issue=client.get(FAULT).headers["ETag"],
        issues=listed.headers["ETag"],
        position=listed.headers["X-Sync-Position"],
        event_id=client.call("GET", "/api/events", 200)["items"][0]["event_id"],
    )


def describe(client: Client, text: str) -> int:
    client.call("PUT", FAULT, 200, json={"description": text})
    return int(client.call("GET", "/api/events", 200)["items"][0]["event_id"])


def assert_valid(client: Client, seen: Seen) -> None:
    assert client.get(FAULT, headers={"If-None-Match": seen.issue}).status_code == 304
    assert client.call("GET", "/api/issues", 200, params={"changedSince": seen.position})["total"] == 0


def by_command(path: Path, copy: Path) -> None:
    assert run("backup", str(copy), database_url=f"sqlite:///{path}").returncode == 0
    # A server that is killed before the restore leaves the place in which its database was.
    with closing(sqlite3.connect(copy)) as made:
        assert made.execute("SELECT place FROM history_identity").fetchall() == [("",)]


def by_sqlite(path: Path, copy: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def into_place(copy: Path, path: Path) -> None:
    """Like `cp`: the file keeps its inode."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(copy, path)


def renamed(copy: Path, path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    copy.replace(path)


def check(settings: Settings, clock: Clock, back_up: Callable[[], None], restore: Callable[[], None]) -> None:
    with serving(settings) as server:
        world = World(server, clock)
        world.given_issue("Fault", {"Contoso": "new"})
        token = world.token("tess")
        client = world.anonymous(headers={"Authorization": f"Bearer {token}"})
        before = look(client)
        back_up()
        for number in range(3):
            describe(client, f"lost {number}")
        after = look(client)
        world.close()
    restore()
    with (
        serving(settings) as server,
        Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as client,
    ):
        assert client.call("GET", FAULT, 200)["description"] is None
        new = [describe(client, f"new {number}") for number in range(3)]
        current = look(client)
        for old in (before, after):
            assert client.get(FAULT, headers={"If-None-Match": old.issue}).status_code == 200
            assert client.get("/api/issues", headers={"If-None-Match": old.issues}).status_code == 200
            refused: Any = client.put(FAULT, json={"description": "x"}, headers={"If-Match": old.issue})
            assert refused.status_code == 412 and refused.headers["ETag"] == current.issue
            started_over = client.get("/api/issues", params={"changedSince": old.position})
            assert started_over.status_code == 422, started_over.text
            with Listening(client, old.event_id) as stream:
                stream.receives(3)
                assert stream.ids == new
        assert_valid(client, current)
    # Without a restore the history remains the same.
    with (
        serving(settings) as server,
        Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as client,
    ):
        assert_valid(client, current)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("restore", [into_place, renamed])
@pytest.mark.parametrize("back_up", [by_command, by_sqlite])
def test_a_copied_file_has_a_new_history(
    migrated_url: str,
    clock: Clock,
    back_up: Callable[[Path, Path], None],
    restore: Callable[[Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if back_up is by_command:
        # The server is killed. The token remains the same, but the command has removed it from the copy.
        monkeypatch.setattr(HistoryIdentity, "stop", lambda _: None)
    path = Path(migrated_url.removeprefix("sqlite:///"))
    copy = path.with_name("copy.db")  # a file can be renamed only within a file system
    settings = Settings(database_url=migrated_url, log_level="error", deliver_webhooks=False)
    check(settings, clock, lambda: back_up(path, copy), lambda: restore(copy, path))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_restored_dump_has_a_new_history(migrated_url: str, clock: Clock, tmp_path: Path) -> None:
    dump = str(tmp_path / "dump.sql")
    settings = Settings(database_url=migrated_url, log_level="error", deliver_webhooks=False)

    def back_up() -> None:
        command = [str(binaries() / "pg_dump"), "--clean", "--if-exists", "--file", dump, migrated_url]
        subprocess.run(command, check=True, capture_output=True)

    def restore() -> None:
        command = [str(binaries() / "psql"), "--quiet", "--set=ON_ERROR_STOP=1", "--file", dump, migrated_url]
        subprocess.run(command, check=True, capture_output=True)

    check(settings, clock, back_up, restore)


def test_a_dump_that_is_restored_into_an_empty_database_has_a_new_history(
    migrated_url: str, clock: Clock, tmp_path: Path
) -> None:
    dump = str(tmp_path / "dump")
    settings = Settings(database_url=migrated_url, log_level="error", deliver_webhooks=False)

    def back_up() -> None:
        assert run("dump", dump, database_url=migrated_url).returncode == 0

    def restore() -> None:
        if settings.sqlite:
            for file in Path(migrated_url.removeprefix("sqlite:///")).parent.glob("*.db*"):
                file.unlink()
        else:
            execute(migrated_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        assert run("restore", dump, database_url=migrated_url).returncode == 0

    check(settings, clock, back_up, restore)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_failover_between_two_requests_is_noticed_by_the_next_one(
    migrated_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The idle connections end, and a server that was not the primary before answers at the same address."""
    with serving(Settings(database_url=migrated_url, log_level="error", deliver_webhooks=False)) as server:
        world = World(server, clock)
        world.given_issue("Fault", {"Contoso": "new"})
        client = world.bearer("tess")
        before = look(client)
        assert_valid(client, before)
        monkeypatch.setattr(connections, "PING_AFTER_IDLE_SECONDS", 0.0)
        # On another server, another transaction has written the row.
        execute(migrated_url, "UPDATE history_identity SET identity = 'another'")
        end_connections(migrated_url)
        assert client.get(FAULT, headers={"If-None-Match": before.issue}).status_code == 200
        assert client.get("/api/issues", params={"changedSince": before.position}).status_code == 422
        assert_valid(client, look(client))
        world.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_history_file_is_private(migrated_url: str) -> None:
    path = Path(migrated_url.removeprefix("sqlite:///"))
    with serving(Settings(database_url=migrated_url, log_level="error", deliver_webhooks=False)):
        token = path.with_name(f"{path.name}-history")
        assert token.stat().st_mode & 0o777 == 0o600
