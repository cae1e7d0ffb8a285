"""A cached response, whose head was rendered before, is the response that the first client got."""

import gc
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from issue_tracker.http import middleware
from issue_tracker.server import rendered_heads
from issue_tracker.server.rendered_heads import render_head
from tests.engines import decided_in_python
from tests.http.test_connections import connect, received
from tests.world import World

LIST = "GET /api/issues?limit=5 HTTP/1.1"
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
VARYING = (b"date: ", b"x-request-id: ")

Response = tuple[bytes, list[bytes], bytes]


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each response from the cache, whether it was sent with its rendered head."""
    found: list[bool] = []
    send = rendered_heads.send_rendered

    def noted(*given: Any) -> bool:
        found.append(send(*given))
        return found[-1]

    monkeypatch.setattr(middleware, "send_rendered", noted)
    return found


def responses(world: World, *requests: str) -> list[Response]:
    """Sends requests at once; each is a request line, possibly with headers. Returns the responses without what is
    different in each: status line, headers, body.
    """
    connection = connect(world.server, "".join(f"{request}\r\n\r\n" for request in requests).encode())
    return list(_parsed(received(connection), [request.split()[0] for request in requests]))


def _parsed(data: bytes, methods: Iterable[str]) -> Iterator[Response]:
    for method in methods:
        head, _, data = data.partition(b"\r\n\r\n")
        status, *headers = head.split(b"\r\n")
        length = LENGTH.search(head + b"\r\n")
        size = int(length[1]) if length and method != "HEAD" and b" 304 " not in status else 0
        assert all(any(one.startswith(name) for one in headers) for name in VARYING), head
        yield status, sorted(one for one in headers if not one.startswith(VARYING)), data[:size]
        data = data[size:]
    assert data == b""


# On PostgreSQL, no response is cached by request.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_cached_responses_are_the_same_in_every_way_of_sending(world: World, rendered: list[bool]) -> None:
    """Of the ways in which a response from the cache is sent, one uses the rendered head; all have the same headers."""
    world.given_issue("VPN", {"Contoso": "new"})
    credential = f"Host: tests\r\nAuthorization: Bearer {world.token('tess')}"
    plain, closing = f"{LIST}\r\n{credential}", f"{LIST}\r\n{credential}\r\nConnection: close"
    old = f"{LIST.replace('1.1', '1.0')}\r\n{credential}"
    responses(world, closing)  # records the use of the token, which is a commit
    first, *pipelined, last = responses(world, plain, plain, plain, closing)
    again = [response for request in (closing, old, old) for response in responses(world, request)]

    assert first[0] == b"HTTP/1.1 200 OK" and b'"VPN"' in first[2]
    assert pipelined == [first, first]
    close = sorted([*first[1], b"connection: close"])
    assert [last, *again] == [(first[0], close, first[2])] * 4
    without_body = plain.replace("GET", "HEAD")
    assert responses(world, without_body, without_body, closing)[:2] == [(first[0], first[1], b"")] * 2

    etag = next(one.split(b" ")[1].decode() for one in first[1] if one.startswith(b"etag: "))
    unchanged = f"{plain}\r\nIf-None-Match: {etag}"
    *same, _ = responses(world, unchanged, unchanged, unchanged, closing)
    assert same == [same[0]] * 3 and same[0][0] == b"HTTP/1.1 304 Not Modified" and same[0][2] == b""

    assert rendered.count(True) == 2 + 2, "pipelined 200 and 304"
    assert rendered.count(False) > 4, "connections that close, HTTP/1.0 and HEAD"
    world.given_issue("WAN", {"Contoso": "new"})
    after = responses(world, plain, plain, closing)
    assert after[0] == after[1] and b'"WAN"' in after[1][2]


@decided_in_python
def test_requests_need_no_garbage_collection(world: World) -> None:
    """If a request referred to itself, collecting it would take longer than a rendered head saves."""
    tess = world.client("tess")
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            tess.call("GET", "/api/issues?limit=5", 200)
        held = sum(isinstance(found, RequestResponseCycle) for found in gc.get_objects())
    finally:
        gc.enable()
    assert held < 25, "only the last requests of open connections"


@pytest.mark.parametrize("header", [(b"x-one", b"1\r\nx-two: 2"), (b"x one", b"1"), (b"x-one", b"\x00")])
def test_a_head_that_uvicorn_would_refuse_is_not_rendered(header: tuple[bytes, bytes]) -> None:
    assert render_head(200, [(b"etag", b'"1"')]) == b'HTTP/1.1 200 OK\r\netag: "1"\r\n'
    assert render_head(200, [(b"etag", b'"1"'), header]) == b""
