"""Very slow readers occupy the memory of a piece of a list, not of the whole list, whatever its issues look like."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.events.processes import OwnServer, own_servers
from tests.speed.test_bounded_memory import megabytes
from tests.world import Clock, World

ISSUES, COMPANIES, READERS = 30, 300, 10
"""The list has 4 MB, as CSV 3 MB. The process may use less additional memory than complete copies for all would be; it
uses a quarter to two thirds, and without a limit for the pieces more than twice as much, because making them takes
memory too.
"""

LONG = " of the long name" * 14
"""Companies with long names make a large list of fewer rows."""

SECONDS = 3.0


@pytest.fixture
def server(migrated_url: str) -> Iterator[OwnServer]:
    """A server in a separate process, whose memory is measured."""
    with own_servers(migrated_url, ()) as (server,):
        yield server


def slow_reader(stack: ExitStack, world: World, path: str) -> socket.socket:
    """Opens a connection with the smallest possible receive buffer, and requests the list."""
    address = urlsplit(world.server.url)
    connection = stack.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((address.hostname, address.port))
    cookie = f"issue_tracker_session={world.session_token('tess')}"
    request = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {cookie}\r\n\r\n"
    connection.sendall(request.encode())
    return connection


PATHS = ("/api/issues", "/api/issues?limit=60", "/api/issues?format=csv")


@pytest.mark.long
def test_readers_of_a_byte_a_second_occupy_little_memory(server: OwnServer) -> None:
    world = World(server, Clock())
    names = [f"Company {number:03}{LONG}" for number in range(COMPANIES)]
    world.given_companies(*names)
    for number in range(ISSUES):
        world.given_issue(f"Fault {number:03}", dict.fromkeys(names, "new"))
    for path in PATHS:
        whole = world.client("tess").get(path, timeout=60)
        assert whole.status_code == 200 and len(whole.content) > 2_500_000
        assert_little_memory(server, world, path, megabytes_of_copies=READERS * len(whole.content) / 2**20)
    world.close()


def assert_little_memory(server: OwnServer, world: World, path: str, *, megabytes_of_copies: float) -> None:
    before = megabytes(server, "RssAnon")
    with ExitStack() as stack:
        readers = [slow_reader(stack, world, path) for _ in range(READERS)]
        most, ending = before, time.monotonic() + SECONDS
        while time.monotonic() < ending:
            for reader in readers:
                assert len(reader.recv(1)) == 1
            most = max(most, megabytes(server, "RssAnon"))
            time.sleep(1)
        assert world.client("tess").call("GET", "/healthz", 200) == {"status": "ok"}
    said = f"{path}: {before:.0f} MB before, {most:.0f} MB with {READERS} slow readers"
    assert most - before < megabytes_of_copies, said
