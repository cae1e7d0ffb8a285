"""Limits of connections: their number, their headers, and the time for which they keep the server waiting."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from issue_tracker.server import connections, protocol
from issue_tracker.settings import Settings
from tests.clients import get
from tests.engines import decided_in_python
from tests.events.processes import own_servers
from tests.server import Server, serving
from tests.shared import Shared
from tests.speed.test_bounded_memory import megabytes
from tests.waiting import eventually
from tests.world import Clock, World

GET = b"GET /healthz HTTP/1.1\r\nHost: tests\r\n"
POST = b"POST /api/auth/login HTTP/1.1\r\nHost: tests\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def limited(shared: Shared, **limits: float) -> Iterator[Server]:
    """A server with these limits. The database is irrelevant here."""
    settings = Settings(
        database_url=shared.migrated("sqlite"),
        log_level="error",
        metrics=True,
        **limits,  # type: ignore[arg-type]  # limits of different types
    )
    with serving(settings) as server:
        yield server


def connect(server: Server, *sent: bytes) -> socket.socket:
    """Opens a connection and sends this much."""
    place = urlsplit(server.url)
    connection = socket.create_connection((str(place.hostname), place.port or 80), 10)
    for part in sent:
        connection.sendall(part)
    return connection


def received(connection: socket.socket) -> bytes:
    """Returns everything that the server sends until it closes the connection."""
    parts = []
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def refused(server: Server, reason: str) -> float:
    """Returns the number of requests or connections that the server has refused for this reason."""
    name = f'issue_tracker_refused_total{{reason="{reason}"}} '
    lines = get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def is_closed(connection: socket.socket) -> bool:
    """Returns whether the server has closed a connection on which it has sent nothing."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        connection.settimeout(10)


def is_reset(connection: socket.socket) -> bool:
    """Returns whether the server has closed a connection in both directions."""
    try:
        connection.sendall(b"x")
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(
    "sent",
    [
        [GET + b"X-A: " + b"a" * 40_000 + b"\r\n\r\n"],
        [GET + b"X-A: " + b"a" * 100_000],
        [GET, *[b"X-A: %s\r\n" % (b"a" * 1000)] * 40],
        [GET + b"a:b\r\n" * 101 + b"\r\n"],
        [b"GET /" + b"a" * 40_000],
        [b"GET /?" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: tests\r\n\r\n"],
        [CHUNKED + b"1\r\n{\r\n1;" + b"a" * 40_000, b"a" * 40_000],
        [CHUNKED, b"0\r\n", *[b"X-A: %s\r\n" % (b"a" * 1000)] * 40],
        [CHUNKED + b"0\r\n" + b"a:b\r\n" * 110],
        [CHUNKED, b"0\r\nX-A: " + b"a" * 40_000, b"a" * 40_000],
    ],
    ids=[
        "one header", "a header without an end", "many headers", "very many small ones", "a line without an end",
        "the first line", "the extension of a chunk", "many trailers", "very many small trailers", "one trailer",
    ],
)  # fmt: skip
def test_large_headers_are_refused_and_the_connection_is_closed(shared: Shared, sent: list[bytes]) -> None:
    with limited(shared) as server, connect(server) as connection:
        with suppress(ConnectionError):
            for part in sent:
                connection.sendall(part)
        answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n"), answer
        assert b"Connection: close" in answer and b"X-Request-ID: " in answer
        assert answer.endswith(b'{"detail":"The headers of the request are too large."}')
        assert refused(server, "headers") == 1


def test_headers_up_to_the_limit_are_accepted(shared: Shared) -> None:
    large = GET + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(31)) + b"\r\n"
    with limited(shared) as server:
        with connect(server, large, large[:20_000]) as connection:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            for start in range(20_000, len(large), 500):
                connection.sendall(large[start : start + 500])
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        trailers = b"2\r\n{}\r\n0\r\nContent-Type: application/json\r\n\r\n"
        with connect(server, CHUNKED.replace(b"Content-Type: application/json\r\n", b""), trailers) as connection:
            assert connection.recv(65536).startswith(b"HTTP/1.1 415"), "a trailer is no header"


def test_endless_headers_use_no_memory(shared: Shared) -> None:
    with own_servers(shared.migrated("sqlite"), ()) as (server,):
        before = megabytes(server, "RssAnon")
        with connect(server, GET) as connection, suppress(ConnectionError):
            for _ in range(64):
                connection.sendall(b"X-A: aaaa\r\n" * 100_000)
            raise AssertionError("the server read 70 MB of headers")
        assert megabytes(server, "RssAnon") < before + 8


@pytest.mark.parametrize("sent", [GET, POST + b"Content-Length: 100\r\n\r\n{", CHUNKED, CHUNKED + b"1\r\n{\r\n"])
def test_slow_senders_get_a_408(shared: Shared, sent: bytes) -> None:
    with limited(shared, header_seconds=0.2, body_seconds=0.2) as server, connect(server, sent) as connection:
        answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert answer.endswith(b'{"detail":"The request took too long to arrive."}')
        assert refused(server, "slow_headers") + refused(server, "slow_body") == 1


def test_occasional_bytes_do_not_extend_the_time(shared: Shared) -> None:
    with limited(shared, header_seconds=0.5) as server, connect(server, GET) as connection:
        connection.settimeout(0.1)
        answer, started = b"", time.monotonic()
        while not answer:
            connection.sendall(b"X")
            with suppress(TimeoutError):
                answer = connection.recv(65536)
            assert time.monotonic() - started < 5
        assert answer.startswith(b"HTTP/1.1 408")


def test_connections_without_a_request_are_closed(shared: Shared) -> None:
    with limited(shared, header_seconds=0.2, keep_alive_seconds=60) as server, connect(server) as silent:
        assert received(silent) == b""
    with limited(shared, header_seconds=60, keep_alive_seconds=0.2, body_seconds=0.2) as server:
        with connect(server, GET + b"\r\n") as idle:
            assert received(idle).startswith(b"HTTP/1.1 200")
        # The response was sent before the end of the endless body.
        with connect(server, GET + b"Content-Length: 100\r\n\r\n", b"x") as sending:
            assert (answer := received(sending)).startswith(b"HTTP/1.1 200") and answer.count(b"HTTP/1.1 ") == 1


@decided_in_python
def test_slow_readers_are_disconnected(world: World) -> None:
    for number in range(40):
        world.given_issue(f"Fault {number}", {}, "x" * 10_000)
    settings = Settings(
        database_url=world.server.settings.database_url, log_level="error", metrics=True, response_seconds=0.5
    )
    with serving(settings) as server, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        place = urlsplit(server.url)
        reader.connect((place.hostname, place.port))
        cookie = f"issue_tracker_session={world.session_token('tess')}"
        reader.sendall(f"GET /api/issues HTTP/1.1\r\nHost: tests\r\nCookie: {cookie}\r\n\r\n".encode() * 8)
        eventually(lambda: refused(server, "slow_reader") == 1)
        assert len(received(reader)) < 8 * 400_000
        assert world.client("tess").call("GET", f"{server.url}/api/issues", 200)["total"] == 40


def test_incomplete_requests_do_not_lock_out_other_clients(shared: Shared) -> None:
    with limited(shared, connections=20, header_seconds=60) as server, ExitStack() as stack:
        opened = [stack.enter_context(connect(server, GET)) for _ in range(60)]
        for _ in range(5):
            assert get(f"{server.url}/healthz").status_code == 200
        eventually(lambda: is_closed(opened[0]))
        closed = [is_closed(connection) for connection in opened]
        assert 40 <= sum(closed) < 60 and all(closed[:30]) and not closed[-1], "those that have waited longest"
        assert refused(server, "connections_waiting") >= 40 and refused(server, "connections") == 0


def listen(server: Server, world: World, who: str = "tess", *more: str) -> socket.socket:
    """Opens a connection with an event stream, or with the response that was sent instead."""
    cookie = f"issue_tracker_session={world.session_token(who)}"
    lines = ["GET /api/events/stream HTTP/1.1", "Host: tests", f"Cookie: {cookie}", *more]
    return connect(server, "\r\n".join([*lines, "\r\n"]).encode())


@contextmanager
def own_world(server: Server) -> Iterator[World]:
    world = World(server, Clock())
    yield world
    world.close()


def test_beyond_the_limit_a_connection_is_refused(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.1)
    with limited(shared, connections=3) as server, own_world(server) as world, ExitStack() as stack:
        with listen(server, world, "tess", "Transfer-Encoding: chunked") as broken:
            assert broken.recv(15).startswith(b"HTTP/1.1 200")
            broken.sendall(b"no chunk\r\n")
            assert b"HTTP/1.1" not in received(broken), "no second response within the first"
        streams = [stack.enter_context(listen(server, world)) for _ in range(3)]
        for stream in streams:
            assert stream.recv(15).startswith(b"HTTP/1.1 200")
        with connect(server, GET + b"\r\n") as another:
            answer = received(another)
            eventually(lambda: is_reset(another))
        assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 2\r\n" in answer
        assert answer.endswith(b'{"detail":"The server has too many open connections. Try again shortly."}')
        streams[0].close()
        eventually(lambda: _is_well(server))


def _is_well(server: Server) -> bool:
    with connect(server, GET + b"Connection: close\r\n\r\n") as connection:
        return received(connection).startswith(b"HTTP/1.1 200")


def test_one_address_can_use_only_a_part_of_the_connections(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is exempt, because a proxy may connect from it; the tests have no other address."""
    monkeypatch.setattr(connections, "LOCAL", ())
    with limited(shared, connections_per_address=10, header_seconds=60) as server, ExitStack() as stack:
        opened = [stack.enter_context(connect(server, GET)) for _ in range(30)]
        assert get(f"{server.url}/healthz").status_code == 200
        assert 20 <= sum(map(is_closed, opened)) < 30
        assert refused(server, "connections_per_address_waiting") >= 20


def test_pipelined_requests_are_answered_in_order_up_to_a_limit(shared: Shared) -> None:
    with limited(shared) as server:
        paths = ["/healthz", "/nothing", *["/healthz"] * 40]
        sent = b"".join(b"GET %s HTTP/1.1\r\nHost: tests\r\n\r\n" % path.encode() for path in paths)
        with connect(server, sent) as connection:
            statuses = re.findall(rb"HTTP/1.1 (\d+)", answer := received(connection))
        assert statuses == [b"200", b"404", *[b"200"] * 7], "one in progress and eight that wait; then it is closed"
        assert answer.count(b"connection: close") == 1
        # An invalid request after a valid one does not affect the response to the valid one.
        with connect(server, GET + b"\r\nbroken\r\n\r\n") as connection:
            assert re.findall(rb"HTTP/1.1 (\d+)", received(connection)) == [b"200"]
        with connect(server, b"broken\r\n\r\n") as connection:
            assert received(connection).endswith(b'{"detail":"The request is not valid HTTP."}')


@decided_in_python
def test_streams_of_one_user_and_of_all_are_limited(world: World) -> None:
    settings = Settings(
        database_url=world.server.settings.database_url, log_level="error", streams=3, streams_per_user=2
    )
    with serving(settings) as server, ExitStack() as stack:

        def opens(who: str) -> socket.socket:
            stream = stack.enter_context(listen(server, world, who))
            assert stream.recv(15).startswith(b"HTTP/1.1 200")
            return stream

        def refusal(who: str) -> tuple[int, str, bool]:
            response = world.client(who).get(f"{server.url}/api/events/stream")
            return response.status_code, response.json()["detail"], "retry-after" in response.headers

        first = opens("tess")
        opens("tess")
        assert refusal("tess") == (429, "You have reached the limit of open event streams (2). Close one first.", True)
        opens("omar")
        assert refusal("omar") == (503, "The server has too many event streams open. Try again shortly.", True)
        first.close()
        eventually(lambda: _streams(server, world, "omar"))
        eventually(lambda: _streams(server, world, "tess"))


def _streams(server: Server, world: World, who: str) -> bool:
    with listen(server, world, who) as stream:
        return stream.recv(15).startswith(b"HTTP/1.1 200")
