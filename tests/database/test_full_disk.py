"""On a full disk changes are refused with 503 and reads continue; changes succeed again as soon as there is room."""

import base64
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event, func, insert, select, text

from issue_tracker import clock
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import issues
from issue_tracker.errors import Unavailable
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.database.faults import assert_logged, assert_not_ready, assert_unavailable, create, eventually_ready, limited
from tests.disks import SmallDisk, can_mount, create_tablespace, mounted
from tests.processes import serve
from tests.server import serving
from tests.shared import SQLITE, Shared
from tests.waiting import eventually
from tests.world import Clock, World

TEXT = base64.b64encode(Random(1).randbytes(6000)).decode()
"""A description of 8 kB that cannot be compressed."""


FRAME = 24 + 4096
"""Bytes of a page in SQLite's log."""

FULL_INDEX = 32 + 4062 * FRAME
"""The size of the log at which its index has to grow for the first time (walIndexAppend in SQLite's wal.c)."""


def store(database: Database, name: str, size: int) -> str | None:
    """Stores an issue. Returns SQLite's error, or None."""
    at = clock.now()
    values = {"name": name, "name_key": name, "description": "x" * size, "description_key": "", "revision": 1}
    try:
        with database.write() as tx:
            tx.execute(insert(issues).values(values | {"created_at": at, "updated_at": at}))
    except Unavailable as refused:
        error = refused.__cause__
        return str(getattr(getattr(error, "orig", error), "sqlite_errorname", error))
    return None


def fill(client: Client, prefix: str) -> int:
    """Creates issues until ten in a row are refused, and returns how many were stored.

    The first refusal may free some room, because SQLite's log is then written into the file.
    """
    stored = refused = 0
    for number in range(2000):
        response = create(client, f"{prefix} {number}", TEXT)
        if response.status_code == 201:
            stored, refused = stored + 1, 0
            continue
        assert_unavailable(response, "disk", "/")
        refused += 1
        if refused == 10:
            return stored
    raise AssertionError("the disk never became full")


def assert_refused_until(client: Client, stored: int) -> None:
    """Checks that every further change is refused in the same way, while reads continue."""
    for number in range(20):
        assert_unavailable(create(client, f"Refused {number}", TEXT))
    assert client.call("GET", "/api/issues?limit=1", 200)["total"] == stored


def test_the_product_survives_a_limit_of_the_file_size(shared: Shared, tmp_path: Path) -> None:
    """Writing fails with EFBIG, which SQLite reports as an I/O error, as for a failing disk."""
    with serve(shared.with_admin("sqlite"), tmp_path / "server.log") as server:
        client = server.sign_in()
        with limited(server.process.pid, resource.RLIMIT_FSIZE, 2 * 1024 * 1024):
            stored = fill(client, "Fault")
            assert_refused_until(client, stored)
            assert_not_ready(server, "The disk of the database is failing.")
        eventually_ready(server, seconds=1)
        for number in range(20):
            assert create(client, f"With room {number}", TEXT).status_code == 201
        eventually_ready(server)
        assert client.call("GET", "/api/issues?limit=1", 200)["total"] == stored + 20
        assert_logged(server, "disk I/O error")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_product_survives_a_limit_of_the_database_size(migrated_url: str, clock: Clock) -> None:
    """SQLite's own limit raises the same error as a full disk, and ends the whole transaction automatically.

    In a separate database, because the shared one contains free pages of deleted rows.
    """

    def limit(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    settings = Settings(database_url=migrated_url, log_level="error", deliver_webhooks=False)
    database = Database(settings)
    with database.read() as tx:
        pages = tx.execute(text("PRAGMA page_count")).scalar_one() + 60
    database.close()
    event.listen(Engine, "connect", limit)
    try:
        with serving(settings) as server:
            world = World(server, clock)
            client = world.client("tess")
            stored = fill(client, "Fault")
            assert_refused_until(client, stored)
            assert client.get("/readyz").status_code == 503
            event.remove(Engine, "connect", limit)
            # One connection still has the limit.
            eventually(lambda: create(client, "With room", TEXT).status_code == 201)
            for number in range(20):
                assert create(client, f"With room {number}", TEXT).status_code == 201
            eventually(lambda: client.get("/readyz").status_code == 200)
            world.close()
    finally:
        if event.contains(Engine, "connect", limit):
            event.remove(Engine, "connect", limit)


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    with mounted(4) as disk:
        yield disk


def assert_a_full_disk_is_outlived(url: str, disk: SmallDisk, log: Path) -> None:
    with serve(url, log) as server:
        client = server.sign_in()
        stored = fill(client, "Fault")
        assert_refused_until(client, stored)
        assert_not_ready(server, "The disk of the database is full.")
        disk.grow(32)
        eventually_ready(server, seconds=1)
        for number in range(20):
            assert create(client, f"With room {number}", TEXT).status_code == 201
        eventually_ready(server)
        assert client.call("GET", "/api/issues?limit=1", 200)["total"] == stored + 20
        assert_logged(server, "database or disk is full", "disk I/O error", "No space left on device")


if can_mount():  # elsewhere the limits above must suffice

    def test_the_product_survives_a_full_disk(shared: Shared, small_disk: SmallDisk, tmp_path: Path) -> None:
        url = f"{SQLITE}{small_disk.folder}/issues.db"
        shutil.copy(shared.with_admin("sqlite").removeprefix(SQLITE), url.removeprefix(SQLITE))
        assert_a_full_disk_is_outlived(url, small_disk, tmp_path / "server.log")

    def test_a_refused_change_does_not_reappear(shared: Shared, tmp_path: Path) -> None:
        """With some pages left, SQLite's log contains the whole change, and only the index of the log finds no room:
        the commit fails. After all connections have closed the file, the log is read without its index.
        """
        with mounted(48) as disk:
            shutil.copy(shared.migrated("sqlite").removeprefix(SQLITE), disk.folder / "issues.db")
            database = Database(Settings(database_url=f"{SQLITE}{disk.folder}/issues.db"))
            failures = set()
            # A long read prevents the log from restarting, so that its index has to grow.
            with database.read() as held:
                held.execute(select(func.count()).select_from(issues)).scalar_one()
                number = 0
                while (disk.folder / "issues.db-wal").stat().st_size < FULL_INDEX - 30 * FRAME:
                    number += 1
                    assert store(database, f"Stored {number}", 10 * FRAME) is None
                disk.fill()
                for attempt in range(40):
                    disk.leave(4)
                    failure = store(database, f"Refused {attempt}", 50 * FRAME)
                    if failure is None:
                        break
                    failures.add(failure)
                    copy = tmp_path / "copy.db"
                    for suffix in ("", "-wal"):
                        copy.with_name(copy.name + suffix).write_bytes(
                            (disk.folder / f"issues.db{suffix}").read_bytes()
                        )
                    with closing(sqlite3.connect(copy)) as found:
                        assert found.execute("SELECT count(*) FROM issues").fetchone() == (number,), attempt
                    for file in tmp_path.glob("copy.db*"):
                        file.unlink()
            database.close()
        assert failures == {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}

    @pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
    def test_the_product_survives_a_full_disk_of_postgresql(
        admin_url: str, small_disk: SmallDisk, tmp_path: Path
    ) -> None:
        """The disk of the tables is filled; without room for its own log, PostgreSQL would end."""
        with psycopg.connect(admin_url, autocommit=True) as connection:
            tablespace = create_tablespace(connection, small_disk)
            connection.execute(f"ALTER TABLE issues SET TABLESPACE {tablespace}")
        assert_a_full_disk_is_outlived(admin_url, small_disk, tmp_path / "server.log")
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE issues SET TABLESPACE pg_default")
            connection.execute(f"DROP TABLESPACE {tablespace}")
