"""How the figures are measured: both sides alternately, several rounds, medians; latencies one request at a time."""

import os
import socket
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import httptools

from bench.load import Request
from bench.processes import LOAD_CORE


class Row(NamedTuple):
    """A row of the table: the measured quantity, the figure of each side, and the ratio with its target."""

    name: str
    figures: str
    ratio: str
    target: str = ""


def measure_alternately(sides: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """Returns the median of each side. The sides alternate, so a disturbance of the machine affects all of them."""
    measured: list[list[float]] = [[] for _ in sides]
    for round_ in range(rounds):
        for place in range(len(sides)):
            side = (place + round_) % len(sides)
            measured[side].append(sides[side]())
    return [statistics.median(values) for values in measured]


def compare(name: str, labels: Sequence[str], sides: Sequence[Callable[[], float]], rounds: int, target: str) -> Row:
    """Compares the first side with each of the others, by operations per second."""
    medians = measure_alternately(sides, rounds)
    figures = " · ".join(f"{label} {value:,.0f}/s" for label, value in zip(labels, medians, strict=True))
    ratios = " · ".join(
        f"÷ {label} {medians[0] / value:.3g}" for label, value in zip(labels[1:], medians[1:], strict=True)
    )
    return Row(name, figures, ratios, target)


@contextmanager
def on_the_load_core() -> Iterator[None]:
    """Runs this process on the core of the load generator, like wrk, and not on the core of the server."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Client:
    """One connection that sends requests one after the other, with little overhead of its own."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        address = urlsplit(url)
        assert address.hostname is not None and address.port is not None
        self._socket = socket.create_connection((address.hostname, address.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = {"Host": address.netloc, **headers}

    def milliseconds(self, request: Request) -> float:
        """Returns how long the complete response took. Fails unless it is a 200."""
        return self.exchange(request)[0]

    def exchange(self, request: Request, etag: str | None = None, expected: int = 200) -> tuple[float, str]:
        """Returns the time in milliseconds and the ETag of the response. Fails unless it has the expected status."""
        took, status, found = self.attempt(request, etag)
        assert status == expected, f"{request}: {status}"
        return took, found

    def attempt(self, request: Request, etag: str | None = None) -> tuple[float, int, str]:
        """Returns the time in milliseconds, the status and the ETag of the response, whatever its status."""
        body = request.body.encode()
        headers = self._headers | ({} if etag is None else {"If-None-Match": etag})
        if body:
            headers |= {"Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        text = f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n".encode() + body
        response = _Response()
        started = time.perf_counter()
        self._socket.sendall(text)
        while not response.complete:
            piece = self._socket.recv(1 << 20)
            assert piece, f"{request}: the server closed the connection"
            response.parser.feed_data(piece)
        took = (time.perf_counter() - started) * 1000
        return took, response.parser.get_status_code(), response.etag

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()


class _Response:
    """The callbacks for httptools while a response arrives."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.complete = False
        self.etag = ""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"etag":
            self.etag = value.decode()

    def on_message_complete(self) -> None:
        self.complete = True


def latencies(
    clients: Sequence[Client], requests: Sequence[Sequence[Request]], between: Callable[[], None] = lambda: None
) -> list[float]:
    """Returns each client's median in milliseconds over its own requests. The clients alternate after each request.

    `between` runs before each pair of requests. The first half is not counted: it warms the caches.
    """
    measured: list[list[float]] = [[] for _ in clients]
    with on_the_load_core():
        for together in zip(*requests, strict=True):
            between()
            for client, request, times in zip(clients, together, measured, strict=True):
                times.append(client.milliseconds(request))
    return [statistics.median(times[len(times) // 2 :]) for times in measured]
