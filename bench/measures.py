"""How numbers are taken: sides of a pair in turn, several rounds, medians; latencies one request at a time."""

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
    """A line of the table: what was measured, each side's figure, and the ratio with its target."""

    name: str
    figures: str
    ratio: str
    target: str = ""


def in_turn(sides: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The median of each side, measured alternately, so that what disturbs the machine disturbs all of them."""
    found: list[list[float]] = [[] for _ in sides]
    for turn in range(rounds):
        for place in range(len(sides)):
            side = (place + turn) % len(sides)
            found[side].append(sides[side]())
    return [statistics.median(values) for values in found]


def compare(name: str, labels: Sequence[str], sides: Sequence[Callable[[], float]], rounds: int, target: str) -> Row:
    """The first side against each of the others, by what it does in a second."""
    medians = in_turn(sides, rounds)
    figures = " · ".join(f"{label} {value:,.0f}/s" for label, value in zip(labels, medians, strict=True))
    ratios = " · ".join(
        f"÷ {label} {medians[0] / value:.3g}" for label, value in zip(labels[1:], medians[1:], strict=True)
    )
    return Row(name, figures, ratios, target)


@contextmanager
def on_the_load_core() -> Iterator[None]:
    """Requests of this process come from the core of the load, as wrk's do, and not from the server's."""
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
    """One connection that sends one request after the other, and takes little time itself."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        address = urlsplit(url)
        assert address.hostname is not None and address.port is not None
        self._socket = socket.create_connection((address.hostname, address.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = {"Host": address.netloc, **headers}

    def milliseconds(self, request: Request) -> float:
        """How long the answer took, all of it; it must be a good one."""
        return self.exchange(request)[0]

    def exchange(self, request: Request, etag: str | None = None, expected: int = 200) -> tuple[float, str]:
        """The time in milliseconds and the ETag of the answer, which must be as expected."""
        body = request.body.encode()
        headers = self._headers | ({} if etag is None else {"If-None-Match": etag})
        if body:
            headers |= {"Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        text = f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n".encode() + body
        answer = _Answer()
        started = time.perf_counter()
        self._socket.sendall(text)
        while not answer.complete:
            piece = self._socket.recv(1 << 20)
            assert piece, f"{request}: the server hung up"
            answer.parser.feed_data(piece)
        took = (time.perf_counter() - started) * 1000
        status = answer.parser.get_status_code()
        assert status == expected, f"{request}: {status}"
        return took, answer.etag

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()


class _Answer:
    """What httptools tells of an answer while it comes."""

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
    """Each client's median over its own requests, the clients taking turns request by request.

    The first half is not counted: it finds the caches as they are.
    """
    found: list[list[float]] = [[] for _ in clients]
    with on_the_load_core():
        for together in zip(*requests, strict=True):
            between()
            for client, request, times in zip(clients, together, found, strict=True):
                times.append(client.milliseconds(request))
    return [statistics.median(times[len(times) // 2 :]) for times in found]
