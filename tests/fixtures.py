"""Fixtures: a PostgreSQL cluster for the tests, a server on each database, the test data (`world`), a movable clock,
and the log.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import structlog
from hypothesis import settings
from jinja2 import FileSystemBytecodeCache
from structlog.testing import capture_logs

from issue_tracker import clock as clock_module
from issue_tracker.auth import hashing, passwords
from issue_tracker.logs import configure_logs
from issue_tracker.pages import templating
from issue_tracker.server import password_requests
from issue_tracker.settings import Settings
from tests.database.killing import Migrating
from tests.engines import ENGINES
from tests.forking import cheap_hasher
from tests.logged import Logged
from tests.made_once import run_folder
from tests.postgresql import Cluster
from tests.server import Server
from tests.shared import Shared
from tests.world import Clock, World

# The time of an example depends more on the load of the machine than on the product.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    """The resources that the tests of this process share."""
    with ExitStack() as ended:
        yield Shared(ended)


@pytest.fixture(scope="session")
def cluster(shared: Shared) -> Cluster:
    """One PostgreSQL cluster for all tests of a process."""
    return shared.cluster


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Both databases, one after the other."""
    return str(request.param)


@pytest.fixture
def fresh_database_url(engine: str, shared: Shared) -> Iterator[str]:
    """A database without tables, used only by this test."""
    url = shared.empty(engine)
    yield url
    shared.drop(url)


@pytest.fixture
def migrated_url(engine: str, shared: Shared) -> Iterator[str]:
    """A database with the current schema, used only by this test: for commands and separate processes."""
    url = shared.migrated(engine)
    yield url
    shared.drop(url)


@pytest.fixture
def admin_url(engine: str, shared: Shared) -> Iterator[str]:
    """A database with one super admin, used only by this test: for commands and separate processes."""
    url = shared.with_admin(engine)
    yield url
    shared.drop(url)


@pytest.fixture(scope="session")
def migrating() -> Iterator[Migrating]:
    """A process that migrates in forks, to its own version or a later one, and can be killed."""
    with Migrating() as migrating:
        yield migrating


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    """Argon2 with a low cost, in this process and those that it forks (preloaded.py).

    Fails if a worker thread hashes, which would delay other requests: such a request belongs in
    `server/password_requests.py`.
    """
    patch = pytest.MonkeyPatch()
    hasher = cheap_hasher()
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
def _compiled_templates() -> None:
    """Lets one process of the run compile each template, which takes longer than showing most pages."""
    folder = run_folder() / "templates"
    folder.mkdir(exist_ok=True)
    templating.environment.bytecode_cache = FileSystemBytecodeCache(str(folder))


@pytest.fixture(scope="session", autouse=True)
def _logs_of_the_product() -> None:
    """Configures the product's logs for every test. Otherwise only the first test has them, and rendering a traceback
    takes seconds in all others.
    """
    configure_logs(Settings(log_level="error"))


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Restores the logs, which a command that runs in this process silences."""
    configuration = structlog.get_config()
    yield
    structlog.configure(**configuration)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Logged]:
    """What the product and its libraries log during the test."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with caplog.at_level(logging.DEBUG), capture_logs([structlog.processors.format_exc_info]) as lines:
        yield Logged(lines, caplog)


@pytest.fixture
def server(engine: str, shared: Shared) -> Server:
    """The product, served on this engine."""
    return shared.server(engine)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock of the product, which a test can move."""
    moved = Clock()
    clock_module.source = moved.now
    yield moved
    clock_module.source = clock_module._system


@pytest.fixture
def world(server: Server, clock: Clock, shared: Shared, request: pytest.FixtureRequest) -> Iterator[World]:
    """A tracker that contains only the standard test data."""
    if "browse" not in request.fixturenames:
        shared.leave_pages()
    server.empty()
    world = World(server, clock)
    yield world
    world.close()
