"""A request whose end is ambiguous is rejected, and the connection is closed, so that no second request hides in it."""

from collections.abc import Iterator

import pytest

from tests.cases import cases
from tests.http.test_connections import connect, limited, received
from tests.server import Server
from tests.shared import Shared

START = b"POST /api/auth/login HTTP/1.1\r\nHost: tests\r\nContent-Type: application/json\r\n"
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: tests\r\n\r\n"


@pytest.fixture
def server(shared: Shared) -> Iterator[Server]:
    with limited(shared) as server:
        yield server


@cases(
    "headers",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 7\r\n\r\n{}",
        b"Content-Length: 2, 7\r\n\r\n{}",
        b"Content-Length: +2\r\n\r\n{}",
        b"Content-Length: -2\r\n\r\n{}",
        b"Content-Length : 2\r\n\r\n{}",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"Content-Length: 2\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_ambiguous_requests_are_rejected(server: Server, headers: bytes) -> None:
    with connect(server, START + headers + HIDDEN) as connection:
        answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1, answer
