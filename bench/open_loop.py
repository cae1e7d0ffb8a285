"""An open-loop load generator: requests begin at their times, whether or not earlier ones have been answered.

wrk waits for a response before it sends the next request, so an overloaded server slows it down, which hides the queue.
Here a latency counts from the time at which the request was due, even if it had to wait for a connection.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools
import uvloop

from bench.load import Request
from bench.measures import on_the_load_core

CONNECTIONS = 1000
"""Connections open at the same time: clients of a helpdesk, not an attack."""

PATIENCE = 30.0
"""Seconds after which a request without a response counts as lost."""


class Answer(NamedTuple):
    """When a request was due and when its response was complete, in seconds; its status, or 0 for none."""

    due: float
    done: float
    status: int

    @property
    def milliseconds(self) -> float:
        return (self.done - self.due) * 1000


class Offered(NamedTuple):
    """The outcome of the offered requests, and of the simultaneous health checks."""

    answers: list[Answer]
    checks: list[Answer]

    def answered(self, status: int = 200) -> list[float]:
        """The latencies in milliseconds of responses with this status."""
        return [answer.milliseconds for answer in self.answers if answer.status == status]

    def share(self, status: int) -> float:
        """The fraction of the requests that got this status."""
        return sum(answer.status == status for answer in self.answers) / len(self.answers)

    def statuses(self) -> Mapping[int, int]:
        """The number of responses by status; the status 0 means no response."""
        return Counter(answer.status for answer in self.answers)


def percentile(values: Sequence[float], percent: float) -> float:
    """Returns the value below which this percentage of the values lies; NaN without values."""
    if not values:
        return float("nan")
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def offer(
    url: str,
    request: Request,
    headers: Mapping[str, str],
    *,
    rate: float,
    seconds: float,
    rest: float = 0.0,
    checks_per_second: float = 20,
) -> Offered:
    """Offers `rate` requests per second for this many seconds, then `rest` seconds at a twentieth of that rate.

    Each request has a header with a unique value, so that no two are the same.
    """
    with on_the_load_core(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_offer(url, request, headers, rate, seconds, rest, checks_per_second))


async def _offer(
    url: str,
    request: Request,
    headers: Mapping[str, str],
    rate: float,
    seconds: float,
    rest: float,
    checks_per_second: float,
) -> Offered:
    place = urlsplit(url)
    load = _Clients(place.hostname or "", place.port or 80, CONNECTIONS)
    checks = _Clients(place.hostname or "", place.port or 80, CONNECTIONS, alike=True)
    health = Request("GET", "/healthz")
    start = time.perf_counter() + 0.1
    due = [start + number / rate for number in range(int(rate * seconds))]
    due += [start + seconds + number * 20 / rate for number in range(int(rate * rest / 20))]
    checked = [start + number / checks_per_second for number in range(int(checks_per_second * (seconds + rest)))]
    await asyncio.gather(load.send(request, headers, due), checks.send(health, {"Connection": "close"}, checked))
    deadline = time.perf_counter() + PATIENCE
    while load.unanswered + checks.unanswered and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    return Offered(load.close(), checks.close())


class _Clients:
    """A pool of at most `limit` connections, opened on demand and reused while they are open."""

    def __init__(self, host: str, port: int, limit: int, *, alike: bool = False) -> None:
        self._host, self._port, self._limit, self._alike = host, port, limit, alike
        self._answers: list[Answer] = []
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._sent = 0

    @property
    def unanswered(self) -> int:
        return self._sent - len(self._answers)

    async def send(self, request: Request, headers: Mapping[str, str], due: Sequence[float]) -> None:
        """Sends one request at each of these times."""
        head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": self._host, **headers}.items())
        body = request.body.encode()
        fixed = f"{request.method} {request.path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n".encode()
        for number, moment in enumerate(due):
            wait = moment - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            elif number % 50 == 0:
                await asyncio.sleep(0)
            turn = b"" if self._alike else b"X-Turn: %d\r\n" % number
            self._sent += 1
            self._waiting.append((moment, fixed + turn + b"\r\n" + body))
            self.go_on()

    def go_on(self) -> None:
        """Assigns waiting requests to idle connections, and opens new ones."""
        while self._waiting and self._idle:
            self._idle.pop().send(*self._waiting.popleft())
        if self._waiting and len(self._open) + len(self._opening) < self._limit:
            task = asyncio.get_running_loop().create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: _Connection(self), self._host, self._port)
        except OSError:
            if self._waiting:
                self.answered(self._waiting.popleft()[0], 0)

    def opened(self, connection: "_Connection") -> None:
        self._open.add(connection)
        self.idle(connection)

    def idle(self, connection: "_Connection") -> None:
        self._idle.append(connection)
        self.go_on()

    def answered(self, due: float, status: int) -> None:
        self._answers.append(Answer(due, time.perf_counter(), status))

    def lost(self, connection: "_Connection") -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self.go_on()

    def close(self) -> list[Answer]:
        """Closes every connection. Returns one result for each request; requests without a response have status 0."""
        for connection in list(self._open):
            connection.transport.abort()
        self._answers += [Answer(due, time.perf_counter(), 0) for due, _ in self._waiting]
        missing = self._sent - len(self._answers)
        return self._answers + [Answer(time.perf_counter() - PATIENCE, time.perf_counter(), 0)] * missing


class _Connection(asyncio.Protocol):
    """One connection, with at most one request at a time."""

    def __init__(self, clients: _Clients) -> None:
        self._clients = clients
        self._due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._clients.opened(self)

    def send(self, due: float, text: bytes) -> None:
        self._due = due
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(text)

    def data_received(self, data: bytes) -> None:
        if self._due is not None:
            self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        due, self._due = self._due, None
        assert due is not None
        self._clients.answered(due, self._parser.get_status_code())
        if self._parser.should_keep_alive():
            self._clients.idle(self)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._due is not None:
            self._clients.answered(self._due, 0)
            self._due = None
        self._clients.lost(self)
