"""Overload is refused, not queued: the response is 503 with `Retry-After`, and no request waits without limit."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from issue_tracker.actor import command_line
from issue_tracker.issues import operations
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.server import workers
from issue_tracker.settings import Settings
from tests.clients import Client, get
from tests.engines import decided_in_python
from tests.metrics import metric, waiting
from tests.server import Server, serving
from tests.waiting import eventually
from tests.world import World

DETAIL = {"detail": "The server is overloaded. Try again shortly."}


@contextmanager
def busy(
    world: World, *, threads: int = 2, **limits: float
) -> Iterator[tuple[Server, Client, list[Future[httpx.Response]]]]:
    """A server whose threads all wait for an open transaction, a client, and the responses to the waiting requests.

    The number of requested changes exceeds that of the threads by one. The open transaction is committed at the end of
    the block.
    """
    world.given_issue("Held", {"Contoso": "new"})
    settings = Settings(
        database_url=world.server.settings.database_url,
        log_level="error",
        metrics=True,
        threads=threads,
        database_wait_seconds=30,
        **limits,  # type: ignore[arg-type]  # limits of different types
    )
    with serving(settings) as server, ThreadPoolExecutor(threads + 1) as senders:
        client = world.client("tess")
        client.base_url = httpx.URL(server.url)
        client.call("GET", "/api/issues", 200)
        with world.database.write() as tx:
            actor = command_line("tests")
            held = get_issue_head(tx, actor, "Held", lock=True)
            operations.update_issue(tx, actor, held, description="changed meanwhile")
            sent = [
                senders.submit(client.put, "/api/issues/Held", json={"description": f"changed by {number}"})
                for number in range(threads + 1)
            ]
            eventually(lambda: waiting(server) == 1 + threads // 4 or refused(server, "queue_age") == 1)
            yield server, client, sent


def refused(server: Server, reason: str) -> float:
    """Returns the number of requests that the server has refused for this reason."""
    return metric(server, f'issue_tracker_refused_total{{reason="{reason}"}}')


def test_a_request_that_waits_too_long_for_a_thread_is_refused(world: World) -> None:
    with busy(world, queue_seconds=0.4) as (server, client, sent):
        eventually(lambda: refused(server, "queue_age") == 1)
        for path, accept in (("/api/issues?open=true", "*/*"), ("/api/nothing", "*/*"), ("/matrix", "text/html")):
            started = time.monotonic()
            response = client.get(path, headers={"Accept": accept})
            assert response.status_code == 503 and int(response.headers["Retry-After"]) > 0, response.text
            assert time.monotonic() - started < 10
            assert DETAIL["detail"] in response.text
        unknown = world.anonymous()
        assert unknown.get(f"{server.url}/api/issues").status_code == 401, "it needs no thread"
        for probe in ("/healthz", "/readyz", "/openapi.json"):
            assert get(f"{server.url}{probe}").status_code == 200, probe
    assert sorted(future.result().status_code for future in sent) == [200, 200, 503]
    assert world.client("tess").call("GET", "/api/issues/Held", 200)["description"].startswith("changed by ")


def test_a_cached_response_does_not_wait_for_a_thread(world: World) -> None:
    """On PostgreSQL the cache does not find responses by request (docs/decisions/0014)."""
    with busy(world, queue_seconds=0.4) as (server, client, _):
        assert client.get("/api/issues").status_code == (200 if server.settings.sqlite else 503)


def _posting(server: Server, client: Client, body: bytes) -> socket.socket:
    """Returns a connection on which a request with this body was begun: only its head was sent."""
    place = urlsplit(server.url)
    head = (
        f"POST /api/issues HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
        f"Cookie: issue_tracker_session={client.cookies['issue_tracker_session']}\r\n"
        f"X-CSRF-Token: {client.headers['X-CSRF-Token']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection((str(place.hostname), place.port or 80), 5)
    connection.sendall(head.encode())
    return connection


@decided_in_python
def test_requests_beyond_the_queue_length_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CHECK_SECONDS", 0.01)  # what takes less than RESPONSE_SECONDS is not ended
    with busy(world, queue_length=1, queue_seconds=20) as (server, client, sent):
        started = time.monotonic()
        response = client.post("/api/issues", json={"name": "Too much"})
        assert (response.status_code, response.json()) == (503, DETAIL)
        with _posting(server, client, b"x" * 1_000_000) as connection:
            assert connection.recv(20).startswith(b"HTTP/1.1 503"), "its body is not read"
        assert time.monotonic() - started < 10, "it is refused at once"
        assert refused(server, "queue_full") == 2 and not any(future.done() for future in sent)
    assert [future.result().status_code for future in sent] == [200, 200, 200], "what waited is answered"
    world.client("tess").call("GET", "/api/issues/Too%20much", 404)


@decided_in_python
def test_requests_whose_threads_hang_are_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with busy(world) as (_, _, sent):
        monkeypatch.setattr(workers, "RESPONSE_SECONDS", 0)
        assert [one.result(20).status_code for one in sent] == [503] * len(sent)
    assert world.client("tess").call("GET", "/api/issues/Held", 200)["description"].startswith("changed by ")


@decided_in_python
def test_a_request_whose_client_has_disconnected_is_not_started(world: World) -> None:
    with busy(world, queue_seconds=20) as (server, client, sent):
        body = b'{"name": "Nobody waits for it"}'
        with _posting(server, client, body) as connection:
            connection.sendall(body)
            eventually(lambda: waiting(server) == 2)
        eventually(lambda: refused(server, "client_left") == 1)
    assert [future.result().status_code for future in sent] == [200, 200, 200]
    assert world.client("tess").call("GET", "/api/issues", 200)["total"] == 1


def test_readers_do_not_wait_for_writers(world: World) -> None:
    """One of four threads accepts no changes, and requests that it has started are not refused."""
    with busy(world, threads=4, queue_seconds=20) as (server, client, sent):
        assert waiting(server) == 2, "three threads wait for the database, and two changes for a thread"
        assert client.call("GET", "/api/issues?open=true", 200)["total"] == 1
        assert not any(future.done() for future in sent)
    assert [future.result().status_code for future in sent] == [200] * 5


@decided_in_python
def test_after_an_overload_every_request_is_answered_again(world: World) -> None:
    """Four times as many clients as may wait send requests at once: the surplus is refused, and soon none is."""
    with ThreadPoolExecutor(40) as crowd:
        with busy(world, queue_length=10, queue_seconds=20) as (server, client, _):
            crowded = [crowd.submit(client.get, "/api/issues?open=true") for _ in range(40)]
            eventually(lambda: refused(server, "queue_full") == 31)
            ended = time.monotonic()
        assert sorted(future.result().status_code for future in crowded) == [200] * 9 + [503] * 31
        assert time.monotonic() - ended < 15, "the last of those that waited"
