"""A server that stops ends its streams, and answers the requests that take longer than it waits for."""

import json
import os
import signal
from pathlib import Path

import pytest

from issue_tracker.cli import supervisor
from tests.events.listening import Listening
from tests.http.test_connections import connect, limited, received
from tests.processes import serve
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


# The database is irrelevant here.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGTERM), (1, signal.SIGHUP), (2, signal.SIGHUP)])
def test_a_signal_to_its_group_stops_a_server_cleanly(
    admin_url: str, tmp_path: Path, workers: int, number: int
) -> None:
    """A terminal that is closed sends SIGHUP to every process of the group."""
    log = tmp_path / "log"
    with serve(admin_url, log, workers=workers) as server, server.sign_in() as ada, Listening(ada) as listener:
        os.killpg(server.process.pid, number)
        assert server.process.wait(30) == 0
        assert listener.ended.wait(10) and listener.clean_end
    assert "Traceback" not in log.read_text()
