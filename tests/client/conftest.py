"""Fixtures for the client: a technician and a super admin with tokens, through both clients, connected to a real
server.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from issue_tracker_client import Tracker
from issue_tracker_client.itctl import run
from tests.client.awaited import awaited_tracker
from tests.client.troubles import TroubledNetwork
from tests.world import World

ITCTL = Path(sys.executable).parent / "itctl"


class Connect(Protocol):
    """Creates a client, which is closed after the test: by default the technician's, with a token."""

    def __call__(self, url: str, **options: Any) -> Tracker: ...


@pytest.fixture(scope="session", params=["sqlite"])
def engine(request: pytest.FixtureRequest) -> str:
    """One database for all tests of the client, which sees only HTTP; the tests of the API send the same requests to
    servers on both.
    """
    return str(request.param)


@pytest.fixture
def url(world: World) -> str:
    """The address of a server with some companies."""
    world.given_companies("A=B", "Acme", "Globex", "Initrode")
    return world.server.url


@pytest.fixture
def token(world: World) -> str:
    """A token of the technician with both scopes."""
    return world.token("tess", name="scripts")


@pytest.fixture
def admin_token(world: World) -> str:
    """A token of the super admin with both scopes."""
    return world.token("ada", name="administration")


@pytest.fixture
def admin(url: str, admin_token: str) -> Iterator[Tracker]:
    """The super admin's client, with a token."""
    with Tracker(url, token=admin_token) as tracker:
        yield tracker


@pytest.fixture(params=["blocking", "async"])
def connect(request: pytest.FixtureRequest, token: str) -> Iterator[Connect]:
    kind = Tracker if request.param == "blocking" else awaited_tracker
    with ExitStack() as opened:

        def make(url: str, **options: Any) -> Tracker:
            if not {"token", "email"} & options.keys():
                options["token"] = token
            return opened.enter_context(kind(url, **options))

        yield make


@pytest.fixture
def tracker(connect: Connect, url: str) -> Tracker:
    return connect(url)


@pytest.fixture
def technician(url: str, token: str) -> Iterator[Tracker]:
    """The technician's blocking client, for tests that are not about the client."""
    with Tracker(url, token=token) as tracker:
        yield tracker


@pytest.fixture
def network(url: str) -> Iterator[TroubledNetwork]:
    with TroubledNetwork(url) as network:
        yield network


class Printed(NamedTuple):
    """The output of one command line."""

    stdout: str
    stderr: str


Run = Callable[..., Printed]


@pytest.fixture
def environment(url: str, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment that a crontab sets, without other ITCTL_ variables."""
    file = tmp_path / "token"
    file.write_text(token + "\n")
    for name in [name for name in os.environ if name.startswith("ITCTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ITCTL_URL", url)
    monkeypatch.setenv("ITCTL_TOKEN_FILE", str(file))
    monkeypatch.setenv("PYTHONUTF8", "1")
    return dict(os.environ)


@pytest.fixture
def itctl(environment: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line in this process, with changes to the environment, and checks its exit code."""

    def run_itctl(*arguments: str, code: int = 0, **changed: str) -> Printed:
        with monkeypatch.context() as changes:
            for name, value in changed.items():
                changes.setenv(name, value)
            capsys.readouterr()
            ended = run(list(arguments))
        printed = Printed(*capsys.readouterr())
        assert ended == code, printed.stderr
        return printed

    return run_itctl
