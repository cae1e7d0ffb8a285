"""The short form of `make soak`: one round of every failure, under load, with all checks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.disks import SmallDisk, can_mount, create_tablespace, mounted
from tests.postgresql import free_port
from tests.shared import SQLITE, Shared, create_with_admin, new_cluster
from tests.soak.harm import (
    Pair,
    back_up_file,
    check_file,
    dump,
    fill_disk,
    kill_all_workers,
    kill_one_worker,
    kill_parent,
    restore,
    stop_postgresql,
)
from tests.soak.phases import DISK_MEBIBYTES, listened
from tests.soak.senders import Senders
from tests.soak.stage import staged
from tests.soak.stream import soak

pytestmark = pytest.mark.long

LISTENERS = 2
"""One that stays connected, and one that does not."""

SENDERS = 2
"""One of each kind."""


def test_every_listener_gets_every_event_once_in_one_order(migrated_url: str) -> None:
    assert "events" in soak(migrated_url, writers=3, changes=20, listeners=4)


@pytest.mark.timeout(600)
def test_kills_a_full_disk_and_a_restore_lose_nothing(engine: str, shared: Shared, tmp_path: Path) -> None:
    """If no small disk can be mounted, limits must suffice (tests/database/test_full_disk.py)."""
    with (
        disk_of(shared.with_admin(engine)) as (url, disk),
        staged(url, tmp_path, workers=2) as stage,
        listened(stage, LISTENERS) as following,
    ):
        senders = Senders(stage, SENDERS)
        for kill in (kill_one_worker, kill_all_workers, kill_parent):
            kill(stage)
            stage.progress()
        if disk is not None:
            fill_disk(stage, disk)
            stage.progress()
        copy = back_up_file(stage, tmp_path) if engine == "sqlite" else None
        dumped = dump(stage, tmp_path)
        # From here on nothing changes: writers would only make the checks longer.
        stage.finish()
        if copy is not None:
            check_file(stage, copy)
        restore(stage, dumped, shared.migrated(engine))
        senders.verify()
        assert following.stop()


@contextmanager
def disk_of(url: str) -> Iterator[tuple[str, SmallDisk | None]]:
    """Moves the database to a small disk, if one can be mounted."""
    if not can_mount():
        yield url, None
        return
    with mounted(DISK_MEBIBYTES) as disk:
        if url.startswith(SQLITE):
            moved = disk.folder / "soak.db"
            moved.write_bytes(Path(url.removeprefix(SQLITE)).read_bytes())
            yield f"{SQLITE}{moved}", disk
            return
        server, _, name = url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            tablespace = create_tablespace(connection, disk)
            try:
                connection.execute(f'ALTER DATABASE "{name}" SET TABLESPACE {tablespace}')
                yield url, disk
            finally:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
                connection.execute(f"DROP TABLESPACE {tablespace}")


@pytest.mark.timeout(600)
def test_stopping_or_replacing_postgresql_loses_nothing(tmp_path: Path) -> None:
    primary = new_cluster(durable=True)
    clusters = [primary]
    try:
        primary.start()
        create_with_admin(primary, "soak")
        port = free_port()
        with staged(f"postgresql://tests@127.0.0.1:{primary.port},127.0.0.1:{port}/soak", tmp_path, workers=1) as stage:
            stop_postgresql(stage, primary)
            stage.progress()
            pair = Pair(primary, port=port)
            clusters.append(pair.standby)
            stage.progress()
            pair.fail_over(stage)
            stage.progress()
            stage.stop_writers()
            stage.verify()
    finally:
        for cluster in clusters:
            cluster.remove()
