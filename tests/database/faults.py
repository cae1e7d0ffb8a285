"""Ways to make a database fail under a running server, and assertions about every such failure."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.clients import Client
from tests.processes import ServeProcess


@contextmanager
def limited(process: int, what: int, soft: int) -> Iterator[None]:
    """Limits a resource of another process until the block ends."""
    before = resource.prlimit(process, what)
    resource.prlimit(process, what, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, what, before)


def create(client: Client, name: str, description: str = "") -> httpx.Response:
    """Sends a request to create an issue, and returns any response."""
    return client.post("/api/issues", json={"name": name, "description": description})


def assert_unavailable(response: httpx.Response, *secrets: str) -> None:
    """Checks the response to a request that a database failure prevents: 503, `Retry-After`, and no details."""
    assert response.status_code == 503, response.text
    assert int(response.headers["Retry-After"]) > 0
    assert not any(secret in response.text for secret in secrets), response.text


def readiness(server: ServeProcess) -> str:
    """Returns the state of /readyz: `ok`, or the reason."""
    with server.client() as probe:
        answer = probe.get("/readyz")
    said: str = "ok" if answer.status_code == 200 else answer.json()["detail"]
    return said


def eventually_ready(server: ServeProcess, seconds: float = 10) -> None:
    """Waits until /readyz succeeds, without any restart."""
    deadline = time.monotonic() + seconds
    while (said := readiness(server)) != "ok":
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
    assert server.process.poll() is None


def assert_not_ready(server: ServeProcess, sentence: str) -> None:
    """Checks that /readyz names the class of the failure."""
    assert readiness(server) == sentence


def assert_logged(server: ServeProcess, *reasons: str) -> None:
    """Checks that the log contains the reason in the driver's words, and no traceback."""
    log = server.log.read_text()
    assert "database unavailable" in log and any(reason in log for reason in reasons), log
    assert "Traceback" not in log and "unexpected failure" not in log, log
