"""Ways to make a database fail under a running server, and what every such failure must look like."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.clients import Client
from tests.processes import ServeProcess


@contextmanager
def limited(process: int, what: int, soft: int) -> Iterator[None]:
    """Limits a resource of another process, and gives it back at the end."""
    before = resource.prlimit(process, what)
    resource.prlimit(process, what, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, what, before)


def create(client: Client, name: str, description: str = "") -> httpx.Response:
    """Creates an issue, whatever the response is."""
    return client.post("/api/issues", json={"name": name, "description": description})


def assert_unavailable(response: httpx.Response, *secrets: str) -> None:
    """The response to a request that a failure of the database prevents: 503, when to come back, and no details."""
    assert response.status_code == 503, response.text
    assert int(response.headers["Retry-After"]) > 0
    assert not any(secret in response.text for secret in secrets), response.text


def readiness(server: ServeProcess) -> str:
    """What /readyz says: `ok`, or why not."""
    with server.client() as probe:
        answer = probe.get("/readyz")
    said: str = "ok" if answer.status_code == 200 else answer.json()["detail"]
    return said


def eventually_ready(server: ServeProcess, seconds: float = 10) -> None:
    """Returns when /readyz is good; nothing was restarted."""
    deadline = time.monotonic() + seconds
    while (said := readiness(server)) != "ok":
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
    assert server.process.poll() is None


def assert_not_ready(server: ServeProcess, sentence: str) -> None:
    """/readyz names the class of the failure."""
    assert readiness(server) == sentence


def assert_logged(server: ServeProcess, *reasons: str) -> None:
    """The log has the reason in the driver's words, and no trace."""
    log = server.log.read_text()
    assert "database unavailable" in log and any(reason in log for reason in reasons), log
    assert "Traceback" not in log and "unexpected failure" not in log, log
