"""The row about the cost of a request without a session: the worst of all routes, compared with /healthz."""

import http.client
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench.effort import Effort
from bench.measures import Row, on_the_load_core
from bench.processes import Served, product
from bench.scene import embedded
from issue_tracker.app import declared_routes

SIGN_IN = "POST /login"
"""An empty form is an attempt to sign in, which hashes a password and is limited in another way."""

BATCHES = 3

FORM = "application/x-www-form-urlencoded"
COOKIE = "issue_tracker_session=" + "x" * 43


def strangers(effort: Effort) -> Iterator[Row]:
    """Measures the processor time of every route with the largest inputs, without a session."""
    scene = embedded(3_000)
    with product(scene.database_url) as ours, on_the_load_core():
        once = max(4, effort.samples // 30)
        health = _cost(ours, "GET", "/healthz", {}, b"", once * 10)
        worst: list[tuple[float, str]] = []
        for route in declared_routes():
            path = re.sub(r"{\w+}", "1", route.path)
            for description, more, headers, body in _inputs(safe=route.safe):
                if not body and f"{route.method} {route.path}" == SIGN_IN:
                    continue
                cost = _cost(ours, route.method, path + more, headers, body, once)
                worst.append((cost, f"{route.method} {route.path} with {description}"))
        worst.sort(reverse=True)
        cost, description = worst[0]
        figures = f"{description}: {cost:,.0f} µs · /healthz {health:,.0f} µs · then " + ", ".join(
            f"{description} {cost:,.0f} µs" for cost, description in worst[1:4]
        )
        yield Row("processor time, worst anonymous request ÷ /healthz", figures, f"{cost / health:.1f}", "≤ 10")


def _inputs(*, safe: bool) -> Iterator[tuple[str, str, Mapping[str, str], bytes]]:
    """The largest inputs: name, suffix of the path, headers, body."""
    many = urlencode([("a", "b")] * 7000)
    yield "nothing", "", {}, b""
    yield "a query", f"?{many}", {}, b""
    yield "a large value", "?next=/" + "%22" * 1_250, {}, b""
    yield "many slashes", "/" + "a//" * 7_500, {}, b""
    yield "many segments", "/%41" * 7_500, {}, b""
    yield "many cookies", "", {"Cookie": "; ".join(["a=b"] * 5000)}, b""
    yield "many types", "", {"Accept": ",".join(["text/html"] * 3000)}, b""
    if not safe:
        for description, cookie in (("", {}), (" and a cookie", {"Cookie": COOKIE})):
            headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": FORM, **cookie}
            yield f"a form of 16 kB{description}", "", headers, urlencode([("a", "b")] * 4000).encode()
            yield f"a form of 100 kB{description}", "", headers, urlencode([("a", "b")] * 25_000).encode()
            json = {**headers, "Content-Type": "application/json"}
            yield f"JSON of 16 kB{description}", "", json, b"{%s}" % b",".join(b'"a%d":1' % n for n in range(1500))


def _cost(ours: Served, method: str, path: str, headers: Mapping[str, str], body: bytes, count: int) -> float:
    """Returns the microseconds of processor time that the server takes for one such request, on a persistent
    connection.
    """
    connection = http.client.HTTPConnection(urlsplit(ours.url).netloc, timeout=30)

    def send() -> None:
        connection.request(method, path, body or None, dict(headers))
        connection.getresponse().read()

    send()
    batches = []
    for _ in range(BATCHES):
        before = _processor_time(ours)
        for _ in range(count):
            send()
        batches.append((_processor_time(ours) - before) / count)
    connection.close()
    # The work of the server's other threads during that time is not counted.
    return min(batches)


def _processor_time(ours: Served) -> float:
    """Returns the microseconds of processor time that the server has taken, in all of its threads."""
    tasks = Path(f"/proc/{ours.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000
