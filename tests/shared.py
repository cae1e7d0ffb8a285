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
from tests.postgresql import Cluster
from tests.processes import given_admin
from tests.server import Server, serving

SQLITE = "sqlite:///"


class Shared:
    """A PostgreSQL cluster, a server on each database, and databases that are migrated once and then copied."""

    def __init__(self, ended: ExitStack) -> None:
        self._ended = ended
        self._folder = fast_folder("issue-tracker-sqlite-")
        ended.callback(shutil.rmtree, self._folder)
        self._templates: dict[tuple[str, Callable[[str], None]], str] = {}
        self._servers: dict[str, Server] = {}

    @cached_property
    def cluster(self) -> Cluster:
        """The PostgreSQL of this process."""
        cluster = Cluster()
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
        """Returns a copy of the database that `fill` fills once per process; it has the current schema before."""
        template = self._templates.get((engine, fill))
        if template is None:
            template = self.empty(engine) if fill is _migrate else self.migrated(engine)
            fill(template)
            self._templates[engine, fill] = template
        if engine == "sqlite":
            copy = self.empty(engine)
            shutil.copy(template.removeprefix(SQLITE), copy.removeprefix(SQLITE))
            return copy
        return self.cluster.create_database(_new_name(), template=template.rpartition("/")[2])


def _new_name() -> str:
    return f"tests_{uuid.uuid4().hex}"


def _migrate(url: str) -> None:
    database = Database(Settings(database_url=url))
    migrate.upgrade(database)
    database.close()
