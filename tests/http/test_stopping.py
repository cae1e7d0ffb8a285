"""A server that stops answers the requests that take longer than it waits for."""

import json

import pytest

from issue_tracker.cli import supervisor
from tests.http.test_connections import connect, limited, received
from tests.shared import Shared

INCOMPLETE = (
    b"POST /api/issues HTTP/1.1\r\nHost: tests\r\nX-Request-ID: mine\r\nAuthorization: Bearer x\r\n"
    b"Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
)


def test_an_incomplete_request_is_refused(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 1)
    with limited(shared) as server:
        connection = connect(server, INCOMPLETE)
        received_first = connect(server, b"GET /healthz HTTP/1.1\r\nHost: tests\r\nConnection: close\r\n\r\n")
        assert received(received_first).startswith(b"HTTP/1.1 200 ")  # the other request has arrived, too
    head, _, body = received(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"x-request-id: mine" in head and b"retry-after: " in head
    assert json.loads(body) == {"detail": "The server is stopping. Try again shortly."}
