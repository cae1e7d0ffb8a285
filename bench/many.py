"""Rows about many assignments at once: the matrix, and changes in bulk."""

import statistics
from collections.abc import Iterator
from itertools import cycle

import msgspec

from bench.dataset import STATUSES, company_name
from bench.effort import JSON, WHOLE, Effort
from bench.load import Request
from bench.measures import Client, Row, latencies
from bench.processes import product
from bench.scene import Scene, matrix_scene, members, status_changes


def matrix(effort: Effort) -> Iterator[Row]:
    """Compares the matrix of 300 issues and 60 companies with the JSON list of the same data."""
    scene = matrix_scene()
    with product(scene.database_url) as ours:
        # The page as a browser requests it, which is compressed.
        browser = {"Accept": "text/html", "Accept-Encoding": "gzip", "Sec-Fetch-Site": "same-origin"}
        clients = [Client(ours.url, {**scene.headers, **more}) for more in (browser, {"Accept": "application/json"})]
        count = max(20, effort.samples // 5)
        requests = [[Request("GET", "/matrix?columns=all&limit=300")] * count, [WHOLE] * count]
        writer, changes = Client(ours.url, {**scene.headers, **JSON}), cycle(status_changes(scene))

        def disturb() -> None:
            writer.milliseconds(next(changes))

        for name, between in (("after a change", disturb), ("unchanged", lambda: None)):
            page, listed = latencies(clients, requests, between)
            row = f"matrix 300 × 60, HTML ÷ JSON list, {name}"
            yield Row(row, f"{page:.1f} ms · {listed:.1f} ms", f"{page / listed:.2f}", "≤ 4")
        yield _bulk(writer, scene, effort)
        for client in (*clients, writer):
            client.close()


def _bulk(client: Client, scene: Scene, effort: Effort) -> Row:
    """Compares changing 60 companies of one issue in one request with one request each."""
    name = members(scene, 1)[0][0]
    companies = [company_name(number) for number in range(1, 61)]

    def in_bulk(turn: int) -> float:
        body = {"issue_name": name, "status": STATUSES[turn % 5].value}
        return client.milliseconds(Request("POST", "/api/issues/status/bulk", msgspec.json.encode(body).decode()))

    def singly(turn: int) -> float:
        bodies = (
            {"issue_name": name, "company_name": company, "status": STATUSES[turn % 5].value} for company in companies
        )
        return sum(
            client.milliseconds(Request("PUT", "/api/issues/status", msgspec.json.encode(body).decode()))
            for body in bodies
        )

    pairs = [(in_bulk(2 * turn), singly(2 * turn + 1)) for turn in range(max(10, effort.samples // 10))]
    bulk, single = (statistics.median(times) for times in zip(*pairs, strict=True))
    figures = f"bulk {bulk:.1f} ms · singly {single:.1f} ms"
    return Row("60 statuses of one issue, bulk ÷ singly", figures, f"{bulk / single:.2f}", "")
