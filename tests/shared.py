"""The resources that the tests of one process share: started on first use, ended in reverse order."""

import shutil
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from playwright.sync_api import Browser

from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings
from tests.chromium import Tabs, launched
from tests.disks import fast_folder
from tests.made_once import copy_folder, once
from tests.postgresql import Cluster
from tests.processes import given_admin
from tests.server import Server, serving

SQLITE = "sqlite:///"


class Shared:
    """A PostgreSQL cluster, a server on each database, and databases that are migrated once in a test run and then
    copied.
    """

    def __init__(self, ended: ExitStack) -> None:
        self._ended = ended
        self._folder = fast_folder("issue-tracker-sqlite-")
        ended.callback(shutil.rmtree, self._folder)
        self._filled: set[str] = set()
        self._servers: dict[str, Server] = {}

    @cached_property
    def cluster(self) -> Cluster:
        """The PostgreSQL of this process. It contains the databases that most tests copy."""
        cluster = new_cluster()
        self._ended.callback(cluster.remove)
        cluster.start()
        return cluster

    @cached_property
    def chromium(self) -> Browser:
        """The browser of this process."""
        return self._ended.enter_context(launched())

    @cached_property
    def tabs(self) -> Tabs:
        """The pages of this browser that tests use one after the other."""
        return Tabs(self.chromium)

    def leave_pages(self) -> None:
        """Lets no page that a test has used send requests during the next test."""
        if "tabs" in vars(self) and self.chromium.is_connected():
            self.tabs.leave()

    def server(self, engine: str) -> Server:
        """Returns the product, served on this engine; for tests that empty its database before they use it."""
        if engine not in self._servers:
            settings = Settings(
                database_url=self.migrated(engine),
                log_level="error",
                deliver_webhooks=False,
                poll_feeds=False,
                poll_mailboxes=False,
            )
            self._servers[engine] = self._ended.enter_context(serving(settings, stop_seconds=5))
            # A server waits, when it stops, for the pages that receive updates.
            self._ended.callback(self.leave_pages)
        return self._servers[engine]

    def empty(self, engine: str) -> str:
        """Returns the URL of a database without tables."""
        if engine == "sqlite":
            folder = self._folder / uuid.uuid4().hex
            folder.mkdir()
            return f"{SQLITE}{folder}/tests.db"
        return self.cluster.create_database(_new_name())

    def drop(self, url: str) -> None:
        """Deletes a database that a test has used, and ends connections to it. Hundreds of them would be gigabytes."""
        if url.startswith(SQLITE):
            shutil.rmtree(Path(url.removeprefix(SQLITE)).parent)
        else:
            self.cluster.drop_database(url.rpartition("/")[2])

    def migrated(self, engine: str) -> str:
        """Returns the URL of an empty database with the current schema."""
        return self.copy(engine, _migrate)

    def with_admin(self, engine: str) -> str:
        """Returns the URL of a migrated database with one super admin, created by the command line
        (`processes.ADMIN`).
        """
        return self.copy(engine, given_admin)

    def copy(self, engine: str, fill: Callable[[str], None]) -> str:
        """Returns a copy of the database that `fill` fills once; it has the current schema before."""
        if engine == "sqlite":
            copy = self.empty(engine)
            shutil.copy(self._filled_file(fill), copy.removeprefix(SQLITE))
            return copy
        return self.cluster.create_database(_new_name(), template=self._filled_database(fill))

    def _filled_file(self, fill: Callable[[str], None]) -> Path:
        """Returns the file of SQLite that `fill` fills once in this test run."""

        def make(file: Path) -> None:
            if fill is not _migrate:
                shutil.copy(self._filled_file(_migrate), file)
            fill(f"{SQLITE}{file}")

        return once(f"{_name_of(fill)}.db", make)

    def _filled_database(self, fill: Callable[[str], None]) -> str:
        """Returns the name of the PostgreSQL database that `fill` fills once in this process, unless it is one of those
        with which the cluster begins.
        """
        name = _name_of(fill)
        if fill not in TEMPLATES and name not in self._filled:
            fill(self.cluster.create_database(name, template=_name_of(_migrate)))
            self._filled.add(name)
        return name


def _new_name() -> str:
    return f"tests_{uuid.uuid4().hex}"


def _migrate(url: str) -> None:
    database = Database(Settings(database_url=url))
    migrate.upgrade(database)
    database.close()


TEMPLATES = (_migrate, given_admin)
"""They fill the databases with which the cluster of each process begins."""


def _name_of(fill: Callable[[str], None]) -> str:
    return f"{fill.__module__}.{fill.__qualname__}"


def new_cluster(*, durable: bool = False) -> Cluster:
    """Returns a cluster that contains the templates, for a test that stops it."""
    return Cluster(durable=durable, data=once("postgresql-templates", _fill_cluster))


def create_with_admin(cluster: Cluster, name: str) -> str:
    """Creates a database like `Shared.with_admin` on a cluster of `new_cluster`, and returns its URL."""
    return cluster.create_database(name, template=_name_of(given_admin))


def _fill_cluster(data: Path) -> None:
    """Creates the data of a stopped cluster that contains the templates."""
    cluster = Cluster()
    try:
        cluster.start()
        for fill in TEMPLATES:
            empty = "template1" if fill is _migrate else _name_of(_migrate)
            fill(cluster.create_database(_name_of(fill), template=empty))
        cluster.stop()
        copy_folder(cluster.folder / "data", data)
    finally:
        cluster.remove()
