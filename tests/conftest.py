"""Fixtures: a PostgreSQL of the tests' own, a server on each database, the world in it, a clock to move."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import structlog
from argon2 import PasswordHasher
from hypothesis import settings

from issue_tracker import clock as clock_module
from issue_tracker.auth import hashing, passwords
from issue_tracker.logs import configure_logs
from issue_tracker.server import password_requests
from issue_tracker.settings import Settings
from tests.database.killing import Migrating
from tests.postgresql import Cluster
from tests.server import Server
from tests.shared import Shared
from tests.world import Clock, World

ENGINES = ("sqlite", "postgresql")

# How long an example takes says more about what else the machine does than about the product.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order for several processes, which take the next test whenever they are free.

    Tests marked `together` share what is expensive to make, so that one process runs those of a module on one
    database. Tests marked `long` come first: none is left to run alone at the end.
    """
    for item in items:
        if item.get_closest_marker("together"):
            callspec = getattr(item, "callspec", None)
            engine = callspec.params.get("engine") if callspec else None
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{engine}"))
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """What the tests of this process share."""
    with ExitStack() as ended:
        yield Shared(ended, tmp_path_factory)


@pytest.fixture(scope="session")
def cluster(shared: Shared) -> Cluster:
    """One PostgreSQL for all tests of a process."""
    return shared.cluster


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Both databases, one after the other."""
    return str(request.param)


@pytest.fixture
def fresh_database_url(engine: str, shared: Shared) -> str:
    """A database without tables, for this test alone."""
    return shared.empty(engine)


@pytest.fixture
def migrated_url(engine: str, shared: Shared) -> str:
    """A database with the current schema, for this test alone: for commands and processes of its own."""
    return shared.migrated(engine)


@pytest.fixture
def admin_url(engine: str, shared: Shared) -> str:
    """A database with one super admin, for this test alone: for commands and processes of its own."""
    return shared.with_admin(engine)


@pytest.fixture(scope="session")
def migrating() -> Iterator[Migrating]:
    """A process that migrates in forks, to its own version or a later one, and can be killed."""
    with Migrating() as migrating:
        yield migrating


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    """Argon2 with little work, in this process; processes that tests start do the real one.

    A worker thread that hashes would keep others waiting: the request belongs to `server/password_requests.py`.
    """
    patch = pytest.MonkeyPatch()
    hasher = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1)
    patch.setattr(passwords, "_hasher", hasher)
    patch.setattr(passwords, "_no_account", hasher.hash("nobody"))
    patch.setattr(password_requests, "REFUSAL_SECONDS", 0.01)
    run = hashing.run

    def checked(compute: Callable[[], Any]) -> Any:
        assert not threading.current_thread().name.startswith("request"), "the route must say `hashes=True`"
        return run(compute)

    patch.setattr(hashing, "run", checked)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _logs_of_the_product() -> None:
    """Otherwise the first test alone would have them, and a traceback of all others takes seconds to draw."""
    configure_logs(Settings(log_level="error"))


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command that a test runs in this process silences the logs; tests after it read them."""
    configuration = structlog.get_config()
    yield
    structlog.configure(**configuration)


@pytest.fixture
def server(engine: str, shared: Shared) -> Server:
    """The product, served on this engine."""
    return shared.server(engine)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock of the product, which a test may move."""
    moved = Clock()
    clock_module.source = moved.now
    yield moved
    clock_module.source = clock_module._system


@pytest.fixture
def world(server: Server, clock: Clock) -> Iterator[World]:
    """An otherwise empty tracker with the cast in it."""
    server.empty()
    world = World(server, clock)
    yield world
    world.close()
