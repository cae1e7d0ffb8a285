"""How numbers are taken: sides of a pair in turn, several rounds, medians; latencies one request at a time."""

import http.client
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.load import Request


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


class Client:
    """One connection that sends one request after the other."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._headers = dict(headers)

    def milliseconds(self, request: Request) -> float:
        """How long the answer took, all of it; it must be a good one."""
        started = time.perf_counter()
        self._connection.request(request.method, request.path, request.body.encode() or None, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        took = (time.perf_counter() - started) * 1000
        assert answer.status == 200, f"{request}: {answer.status}"
        return took

    def close(self) -> None:
        """Hangs up."""
        self._connection.close()


def latencies(
    clients: Sequence[Client], requests: Sequence[Sequence[Request]], between: Callable[[], None] = lambda: None
) -> list[float]:
    """Each client's median over its own requests, the clients taking turns request by request.

    The first half is not counted: it finds the caches as they are.
    """
    found: list[list[float]] = [[] for _ in clients]
    for together in zip(*requests, strict=True):
        between()
        for client, request, times in zip(clients, together, found, strict=True):
            times.append(client.milliseconds(request))
    return [statistics.median(times[len(times) // 2 :]) for times in found]
