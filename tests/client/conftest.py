"""The client's own cast: a technician and a super admin with tokens, through both clients, to a real
server.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from issue_tracker_client import Tracker
from tests.client.awaited import awaited_tracker
from tests.client.troubles import TroubledNetwork
from tests.world import World


class Connect(Protocol):
    """Makes a client, closed after the test: by default the technician's, with a token."""

    def __call__(self, url: str, **options: Any) -> Tracker: ...


@pytest.fixture
def url(world: World) -> str:
    """The server's address, with some companies there."""
    world.given_companies("A=B", "Acme", "Globex", "Initrode")
    return world.server.url


@pytest.fixture
def token(world: World) -> str:
    """A token of the technician that reads and writes."""
    return world.token("tess", name="scripts")


@pytest.fixture
def admin_token(world: World) -> str:
    """A token of the super admin that reads and writes."""
    return world.token("ada", name="administration")


@pytest.fixture
def admin(url: str, admin_token: str) -> Iterator[Tracker]:
    """The super admin, by a token."""
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
    """The technician's blocking client, for tests of something else than the client."""
    with Tracker(url, token=token) as tracker:
        yield tracker


@pytest.fixture
def network(url: str) -> Iterator[TroubledNetwork]:
    with TroubledNetwork(url) as network:
        yield network
