"""The phases of the soak test: each injects one kind of failure under load, round after round, and checks the
database.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.disks import SmallDisk, can_mount, create_tablespace, mounted
from tests.postgresql import Cluster
from tests.processes import given_admin
from tests.soak import stream
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
from tests.soak.ledger import BrokenPromise, Figures
from tests.soak.senders import Senders
from tests.soak.stage import Stage, opened, staged
from tests.soak.stream import Listeners

CHECKED_EVERY = 10
"""The number of rounds after which everything is checked, in addition to the end."""

TOGETHER = 20
"""The number of backups of one database. The writers make it larger all the time, and each backup copies all of it."""

DISK_MEBIBYTES = 64
LISTENERS = 10


class Run:
    """One phase on one database: its length, and the place of its files, which are deleted unless it fails."""

    def __init__(self, engine: str, folder: Path, *, rounds: int, seconds: float) -> None:
        self.engine = engine
        self.folder = folder
        self.rounds = rounds
        self.seconds = seconds
        self.clusters: list[Cluster] = []

    def cluster(self, *, durable: bool = False) -> Cluster:
        """Creates and starts a PostgreSQL cluster."""
        cluster = Cluster(durable=durable)
        self.clusters.append(cluster)
        cluster.start()
        return cluster

    def database(self, name: str = "soak") -> str:
        """Creates a database without tables, and returns its URL."""
        if self.engine == "sqlite":
            return f"sqlite:///{self.folder}/{name}.db"
        cluster = self.clusters[0] if self.clusters else self.cluster()
        return cluster.create_database(name)


Phase = Callable[[Run], str]


def kills(run: Run) -> str:
    """Kills one server process, all four, and their parent, during deliveries."""
    url = run.database()
    given_admin(url)
    with staged(url, run.folder) as stage:
        times = []
        for kill in (kill_one_worker, kill_all_workers, kill_parent):
            started = time.monotonic()
            rounds(run, stage, kill)
            times.append(f"{time.monotonic() - started:.0f} s")
        return f"{run.rounds} x one worker, four workers, the parent in {', '.join(times)}; {said(stage.finish())}"


def alerts(run: Run) -> str:
    """Kills one server process, all four, or their parent, while monitoring systems report alerts."""
    url = run.database()
    given_admin(url)
    with staged(url, run.folder) as stage:
        senders = Senders(stage)

        def kill(stage: Stage) -> None:
            stage.chance.choice((kill_one_worker, kill_all_workers, kill_parent))(stage)

        rounds(run, stage, kill)
        figures = stage.finish()
        return f"{run.rounds} kills; {senders.verify()}; {said(figures)}"


def stops(run: Run) -> str:
    """Stops PostgreSQL immediately, with fsync on."""
    cluster = run.cluster(durable=True)
    url = cluster.create_database("soak")
    given_admin(url)
    with staged(url, run.folder) as stage:
        rounds(run, stage, lambda stage: stop_postgresql(stage, cluster))
        return f"{run.rounds} immediate stops; {said(stage.finish())}"


def disks(run: Run) -> str:
    """Fills the disk of the database, and frees it again. On PostgreSQL it is the disk of the tables."""
    if not can_mount():
        raise BrokenPromise("Filling a disk requires mounting a small one, which only root can do.")
    with mounted(DISK_MEBIBYTES) as disk, kept(disk, run.folder / "disk"):
        if run.engine == "sqlite":
            url = f"sqlite:///{disk.folder}/soak.db"
        else:
            cluster = run.cluster()
            with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE soak TABLESPACE {create_tablespace(connection, disk)}")
            url = cluster.url("soak")
        given_admin(url)
        with staged(url, run.folder) as stage:
            rounds(run, stage, lambda stage: fill_disk(stage, disk))
            refused = stage.ledger.refused
            return f"{run.rounds} full disks, {refused} changes refused; {said(stage.finish())}"


@contextmanager
def kept(disk: SmallDisk, folder: Path) -> Iterator[None]:
    """After a violation, copies the files of a disk that will be unmounted."""
    try:
        yield
    except BrokenPromise:
        shutil.copytree(disk.folder, folder, ignore=shutil.ignore_patterns("ballast"))
        raise


def failovers(run: Run) -> str:
    """Stops a primary immediately and promotes its standby, which has every confirmed commit."""
    primary = run.cluster()
    given_admin(primary.create_database("soak"))
    pair = Pair(primary)
    run.clusters = [pair.standby, primary]
    hosts = ",".join(f"127.0.0.1:{cluster.port}" for cluster in (primary, pair.standby))
    with staged(f"postgresql://tests@{hosts}/soak", run.folder) as stage:

        def fail_over(stage: Stage) -> None:
            pair.fail_over(stage)
            stage.progress()
            pair.follow_again()
            run.clusters = [pair.standby, pair.primary]

        rounds(run, stage, fail_over)
        return f"{run.rounds} failovers; {said(stage.finish())}"


def backups(run: Run) -> str:
    """Backs up, restores and checks the copy: alternately as a file and as a dump on SQLite, as a dump on
    PostgreSQL.
    """
    found = []
    for first in range(0, run.rounds, TOGETHER):
        url = run.database(f"soak_{first}")
        given_admin(url)
        with staged(url, run.folder) as stage:
            for number in range(first, min(first + TOGETHER, run.rounds)):
                stage.progress()
                if run.engine == "sqlite" and number % 2 == 0:
                    check_file(stage, back_up_file(stage, run.folder))
                else:
                    dump_and_restore(run, stage, number)
            found.append(stage.finish())
    return f"{run.rounds} backups, each restored and checked; {said(Figures(*map(sum, zip(*found, strict=True))))}"


def dump_and_restore(run: Run, stage: Stage, number: int) -> None:
    """Restores a dump into a new database, which is deleted after its check."""
    name, dumped = f"restored_{number}", dump(stage, run.folder)
    if run.engine == "sqlite":
        restore(stage, dumped, f"sqlite:///{run.folder}/{name}.db")
        for file in run.folder.glob(f"{name}.db*"):
            file.unlink()
        return
    (cluster,) = run.clusters
    restore(stage, dumped, cluster.create_database(name))
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def listeners(run: Run) -> str:
    """Runs many writers, some of whose transactions roll back, and listeners of which half constantly disconnect and
    resume.
    """
    return stream.soak(run.database(), writers=4, changes=20 * run.rounds, listeners=20)


def endurance(run: Run) -> str:
    """Runs writers, listeners of the stream, and webhooks whose receivers fail, for the requested time."""
    url = run.database()
    given_admin(url)
    with staged(url, run.folder) as stage, listened(stage) as following:
        end, checked = time.monotonic() + run.seconds, time.monotonic()
        while time.monotonic() < end:
            stage.progress()
            if time.monotonic() > checked + 60:
                stage.verify()
                checked = time.monotonic()
        figures = stage.finish()
        count = len(following.stop())
        return f"{run.seconds:.0f} s, {count} events in order to {LISTENERS} listeners; {said(figures)}"


@contextmanager
def listened(stage: Stage, count: int = LISTENERS) -> Iterator[Listeners]:
    """Runs listeners of a stage's stream."""
    with opened(stage.url) as database:
        headers = {"Authorization": f"Bearer {stage.token}"}
        yield Listeners(database, [stage.server.url], headers, count)


def rounds(run: Run, stage: Stage, harm: Callable[[Stage], None]) -> None:
    """Injects the failure as often as requested, each time after some successful work."""
    for number in range(1, run.rounds + 1):
        stage.progress()
        time.sleep(stage.chance.uniform(0, 0.15))
        harm(stage)
        if number % CHECKED_EVERY == 0 or number == run.rounds:
            stage.progress()
            stage.verify()


def said(figures: Figures) -> str:
    """Returns the figures of a ledger in words."""
    return (
        f"{figures.answered} confirmed changes are there; of {figures.unanswered} unconfirmed ones {figures.done} are,"
        " none in part; every invariant holds"
    )
