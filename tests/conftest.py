"""Fixtures: a PostgreSQL of the tests' own, a server on each database, the world in it, a clock to move."""

import uuid
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from issue_tracker import clock as clock_module
from issue_tracker.auth import passwords
from issue_tracker.settings import Settings
from tests.postgresql import Cluster
from tests.server import Server, serving
from tests.world import Clock, World

ENGINES = ("sqlite", "postgresql")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one folder on one database run in one process: each has a server of its own, and few changes of it."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        engine = callspec.params.get("engine") if callspec else None
        if engine:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}-{engine}"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One PostgreSQL for all tests of a process."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Both databases, one after the other."""
    return str(request.param)


@pytest.fixture(scope="session")
def database_url(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of an empty database."""
    return new_database(engine, request, tmp_path_factory)


def new_database(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Another empty database on this engine."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/tests.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.create_database(f"tests_{uuid.uuid4().hex}")


@pytest.fixture
def fresh_database_url(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty database for this test alone: for commands and processes of its own."""
    return new_database(engine, request, tmp_path_factory)


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    """Argon2 with little work, in this process; processes that tests start do the real one."""
    patch = pytest.MonkeyPatch()
    hasher = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1)
    patch.setattr(passwords, "_hasher", hasher)
    patch.setattr(passwords, "_no_account", hasher.hash("nobody"))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def server(database_url: str) -> Iterator[Server]:
    """The product, served on this engine."""
    with serving(Settings(database_url=database_url, log_level="error", deliver_webhooks=False)) as served:
        yield served


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock of the product, which a test may move."""
    told = Clock()
    clock_module.source = told.now
    yield told
    clock_module.source = clock_module._system


@pytest.fixture
def world(server: Server, clock: Clock) -> Iterator[World]:
    """An otherwise empty tracker with the cast in it."""
    server.empty()
    world = World(server, clock)
    yield world
    world.close()
