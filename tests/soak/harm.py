"""Failures that are injected while writers work: each function injects one."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psycopg

from tests.disks import SmallDisk
from tests.postgresql import Cluster, Standby
from tests.processes import processes, run, running
from tests.soak.ledger import BrokenPromise
from tests.soak.stage import PATIENCE_SECONDS, Stage, opened, require_invariants

REFUSED = 10
"""The number of changes that must be refused for lack of space before space is freed."""


def kill_one_worker(stage: Stage) -> None:
    """`kill -9` of one server process; the parent replaces it."""
    os.kill(stage.chance.choice(sorted(_workers(stage))), signal.SIGKILL)


def kill_all_workers(stage: Stage) -> None:
    """`kill -9` of all server processes at once."""
    for pid in _workers(stage):
        os.kill(pid, signal.SIGKILL)


def kill_parent(stage: Stage) -> None:
    """`kill -9` of the parent. The server processes end by themselves; then the server is started again."""
    left = _workers(stage)
    os.kill(stage.server.process.pid, signal.SIGKILL)
    stage.server.process.wait(PATIENCE_SECONDS)
    _wait(lambda: not any(running(pid) for pid in left), "The server processes do not end with their parent.")
    stage.restart()


def stop_postgresql(stage: Stage, cluster: Cluster) -> None:
    """Stops PostgreSQL like `pg_ctl stop -m immediate`, with this signal, and starts it again, which recovers."""
    cluster.stop(signal.SIGQUIT)
    time.sleep(stage.chance.uniform(0, 0.5))
    cluster.start()


def fill_disk(stage: Stage, disk: SmallDisk) -> None:
    """Fills the disk until changes are refused, and then frees the space."""
    before = stage.ledger.refused
    disk.fill()
    _wait(lambda: stage.ledger.refused >= before + REFUSED, "Nothing is refused although the disk is full.")
    disk.empty()


class Pair:
    """Two PostgreSQL clusters on two ports: the primary, and a standby with all confirmed changes."""

    def __init__(self, primary: Cluster, *, port: int = 0) -> None:
        self.primary = primary
        self.standby = Standby(primary, port=port)
        self.standby.start()
        self._require_copy()

    def fail_over(self, stage: Stage) -> None:
        """Stops the primary immediately and promotes the standby."""
        self.primary.stop(signal.SIGQUIT)
        time.sleep(stage.chance.uniform(0, 0.3))
        self.standby.promote()

    def follow_again(self) -> None:
        """After a failover: creates a new standby in place of the former primary."""
        gone, self.primary = self.primary, self.standby
        gone.remove()
        self.standby = Standby(self.primary, port=gone.port)
        self.standby.start()
        self._require_copy()

    def _require_copy(self) -> None:
        """Makes the primary confirm commits only after the standby has received them."""
        with psycopg.connect(self.primary.url("postgres"), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            query = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"
            _wait(lambda: connection.execute(query).fetchone() is not None, "The standby does not follow.")


class Saved(NamedTuple):
    """A backup or a dump, and the requests that were answered before it."""

    file: Path
    answered: list[str]


def back_up_file(stage: Stage, folder: Path) -> Saved:
    """Runs `issue-tracker backup` on an embedded database."""
    copy = Saved(folder / "copy.db", list(stage.ledger.answered))
    _run("backup", str(copy.file), database_url=stage.url)
    return copy


def check_file(stage: Stage, copy: Saved) -> None:
    """Checks the copy of an embedded database, and deletes it."""
    _verify_copy(stage, f"sqlite:///{copy.file}", copy.answered)
    for file in copy.file.parent.glob(f"{copy.file.name}*"):
        file.unlink()


def dump(stage: Stage, folder: Path) -> Saved:
    """Runs `issue-tracker dump`."""
    dumped = Saved(folder / "dump", list(stage.ledger.answered))
    _run("dump", str(dumped.file), database_url=stage.url)
    return dumped


def restore(stage: Stage, dumped: Saved, url: str) -> None:
    """Runs `issue-tracker restore` into an empty database, which is checked."""
    _run("restore", str(dumped.file), database_url=url)
    dumped.file.unlink()
    _verify_copy(stage, url, dumped.answered)


def _verify_copy(stage: Stage, url: str, answered: list[str]) -> None:
    with opened(url) as database:
        stage.ledger.verify(database, answered)
        require_invariants(database)


def _run(*arguments: str, database_url: str) -> None:
    done = run(*arguments, database_url=database_url)
    if done.returncode:
        raise BrokenPromise(f"issue-tracker {' '.join(arguments)}: {done.stderr}")


def _workers(stage: Stage) -> set[int]:
    found: set[int] = set()

    def there() -> bool:
        found.clear()
        found.update(pid for pid in processes(stage.server) if running(pid))
        return bool(found)

    _wait(there, "The server has no processes.")
    return found


def _wait(true: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise BrokenPromise(otherwise)
        time.sleep(0.01)
