"""Rows about more requests than a server can answer, and about clients that occupy it with other work."""

import itertools
import socket
import statistics
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlencode, urlsplit

from bench.effort import PAGE, Effort
from bench.load import Request, load
from bench.measures import Client, Row, on_the_load_core
from bench.open_loop import Offered, offer, percentile
from bench.processes import Served, product
from bench.scene import Scene, embedded

LIST = Request("GET", "/?open=true")
"""The list as technicians load it, which takes a server longer than it takes the load generator."""

SERVED_WITHIN = 0.2
"""Seconds within which a request must get a 200 to count as served after the end of the overload."""

IDLE = 300
SENDERS = 8

_turns = itertools.count()


def overload(effort: Effort) -> Iterator[Row]:
    """Offers as many requests as one worker can answer, then twice and five times as many, and then a twentieth."""
    scene = embedded(10_000)
    seconds = 4 * effort.seconds
    with product(scene.database_url) as ours:
        capacity = load(ours.url, [LIST], scene.headers, seconds=effort.seconds, alike=False).per_second
        for factor in (1, 2, 5):
            offered = offer(
                ours.url, LIST, scene.headers, rate=factor * capacity, seconds=seconds, rest=effort.seconds * 2
            )
            yield _row(f"open loop at {factor} × {capacity:,.0f} list pages/s", offered, seconds)


def _row(name: str, offered: Offered, seconds: float) -> Row:
    served = offered.answered(200)
    lost = {status: count for status, count in offered.statuses().items() if status not in (200, 503)}
    assert not lost, f"{name}: neither 200 nor 503, but {lost}"
    checks = [check.milliseconds for check in offered.checks if check.status == 200]
    assert len(checks) == len(offered.checks), f"{name}: health checks failed"
    ended = min(answer.due for answer in offered.answers) + seconds
    late = [
        answer.done - ended
        for answer in offered.answers
        if answer.done > ended and (answer.status != 200 or answer.done - answer.due > SERVED_WITHIN)
    ]
    figures = (
        f"median {percentile(served, 50):,.0f} ms · p99 {percentile(served, 99):,.0f} ms · 503"
        f" {offered.share(503):.0%} · /healthz p99 {percentile(checks, 99):,.0f} ms"
    )
    return Row(name, figures, f"recovers in {max(late, default=0.0):.1f} s", "≤ 2 s")


def beside(effort: Effort) -> Iterator[Row]:
    """Measures the list page while clients hold connections or send the largest forms, and without them."""
    scene = embedded(10_000)
    with product(scene.database_url) as ours:
        calm = _latencies(ours, scene, effort)
        with _idle(ours):
            yield _beside(f"list page beside {IDLE} idle connections", _latencies(ours, scene, effort), calm)
        with _senders(ours):
            yield _beside(
                f"list page beside {SENDERS} senders of the largest forms", _latencies(ours, scene, effort), calm
            )


def _beside(name: str, measured: list[float], calm: list[float]) -> Row:
    figures = " · ".join(
        f"{how} median {statistics.median(times):.1f} ms, p99 {percentile(times, 99):.1f} ms"
        for how, times in (("beside", measured), ("calm", calm))
    )
    return Row(name, figures, f"{statistics.median(measured) / statistics.median(calm):.2f}")


def _latencies(ours: Served, scene: Scene, effort: Effort) -> list[float]:
    """Each request has a different query, so that the list is read from the database."""
    with on_the_load_core():
        client = Client(ours.url, scene.headers)
        times = [
            client.milliseconds(Request("GET", f"{PAGE.path}&updatedSince=2020-01-01T00:00:00.{next(_turns):06}Z"))
            for _ in range(2 * effort.samples)
        ]
        client.close()
    return times[len(times) // 10 :]


@contextmanager
def _idle(ours: Served) -> Iterator[None]:
    """Opens connections that send half of a request line, and nothing more."""
    place = urlsplit(ours.url)
    with ExitStack() as stack:
        for _ in range(IDLE):
            connection = stack.enter_context(socket.create_connection((str(place.hostname), place.port or 80)))
            connection.sendall(b"GET /hea")
        yield


@contextmanager
def _senders(ours: Served) -> Iterator[None]:
    """Runs clients without a session that send forms of half a megabyte, one after the other."""
    done = threading.Event()
    place = urlsplit(ours.url)
    body = urlencode([("a", "b")] * 125_000).encode()
    head = (
        f"POST /issues/new HTTP/1.1\r\nHost: {place.netloc}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()

    def send() -> None:
        while not done.is_set():
            try:
                with socket.create_connection((str(place.hostname), place.port or 80), 5) as connection:
                    connection.sendall(head + body)
                    while connection.recv(65536):
                        pass
            except OSError:
                continue  # the response came before the end of the form

    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        done.set()
        for sender in senders:
            sender.join()
