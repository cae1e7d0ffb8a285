"""Measures the cost of size: latencies on a large dataset and on a small one, several workers, start and memory."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import urlencode

from bench.dataset import STATUSES, Size, company_name, issue_name, site
from bench.effort import JSON, PAGE, WHOLE, Effort
from bench.load import Request, load, send
from bench.measures import Client, Row, latencies, measure_alternately
from bench.processes import CORES, product
from bench.scene import Scene, embedded, limited, server_database, status_changes

TARGETED = ("list page", "company filter page", "status filter page", "search of 6 letters")


def scale(effort: Effort) -> Iterator[Row]:
    """Yields latencies on SQLite. In a full run the large dataset has ten events for each assignment."""
    small, large = embedded(10_000), embedded(effort.large, events_each=effort.events_each)
    for scene in (small, large):
        _warm_file(scene.path)
    yield from _scale(effort, small, large, "")


def scale_on_server(effort: Effort) -> Iterator[Row]:
    """Yields latencies on PostgreSQL, which shares the cores with the measured server."""
    with server_database(10_000) as small, server_database(effort.large) as large:
        yield from _scale(effort, small, large, " on PostgreSQL")


def _scale(effort: Effort, small: Scene, large: Scene, where: str) -> Iterator[Row]:
    """Yields the ratio of median latencies on a large dataset and on a small one.

    All requests of a row are sent twice, and only the second time counts: index and issues are then warm on both sides,
    so that neither the disk nor the small dataset's easier warm-up is measured. There is a change before each request.
    """
    sizes = [Size(10_000), Size(effort.large)]
    with product(small.database_url) as first, product(large.database_url) as second:
        clients = [Client(served.url, {**scene.headers, **JSON}) for served, scene in ((second, large), (first, small))]
        sides = (large, small)

        changes = [cycle(status_changes(scene)) for scene in sides]

        def disturb() -> None:
            """Makes a change between any two requests, so that no response comes from the response cache."""
            for client, requests in zip(clients, changes, strict=True):
                client.milliseconds(next(requests))

        kinds: dict[str, Callable[[int, Size], dict[str, str]]] = {
            "list page": lambda _turn, _size: {},
            "company filter page": lambda turn, size: {"companyName": company_name(turn % size.companies + 1)},
            "status filter page": lambda turn, _size: {"status": STATUSES[turn % 6].value},
            "search of 6 letters": lambda turn, size: {"search": site(turn * 7 % size.sites)},
            "search of a common word": lambda turn, _size: {"search": ("router", "tunnel", "backup")[turn % 3]},
            "history of an issue": lambda turn, size: {"issueName": issue_name(turn % size.issues + 1)},
        }
        for name, parameters in kinds.items():
            path = "/api/events" if "history" in name else "/api/issues"
            requests = [
                2
                * [
                    Request("GET", f"{path}?{urlencode({**parameters(turn, size), 'limit': 50})}")
                    for turn in range(effort.samples)
                ]
                for size in (sizes[1], sizes[0])
            ]
            target = "≤ 1.5" if name in TARGETED else ""
            yield _ratio(f"{effort.large:,} ÷ 10,000{where}: {name}", latencies(clients, requests, disturb), target)
        requests = [list(islice(changing, 2 * effort.samples)) for changing in changes]
        yield _ratio(f"{effort.large:,} ÷ 10,000{where}: status change", latencies(clients, requests), "≤ 1.5")
        for client in clients:
            client.close()
        yield from _limited_access(effort, large, second.url, where)


def _limited_access(effort: Effort, large: Scene, url: str, where: str) -> Iterator[Row]:
    """Yields the ratio of the median latencies of a user who sees 20 companies and of one who sees all, on one dataset.

    After a change that only the second user sees, the response for the first one still comes from the cache by ETag.
    """
    size = Size(effort.large)
    seen = limited(large, 20, size.companies)
    clients = [Client(url, {**scene.headers, **JSON}) for scene in (seen, large)]
    kinds = {
        "list page": {},
        "status filter page": {"status": STATUSES[1].value},
        "company filter page": {"companyName": company_name(1)},
        "search of 6 letters": {"search": site(7)},
    }
    for change, company in (("any change", None), ("a change that both see", company_name(1))):
        changes = cycle(status_changes(large, 100, company))

        def disturb(changes: Iterator[Request] = changes) -> None:
            clients[1].milliseconds(next(changes))

        for name, parameters in kinds.items():
            request = Request("GET", f"/api/issues?{urlencode({**parameters, 'limit': 50})}")
            times = latencies(clients, 2 * [[request] * (2 * effort.samples)], disturb)
            title = f"20 of {size.companies:,} companies ÷ all{where}: {name} after {change}"
            yield _ratio(title, times, "≤ 3")
    for client in clients:
        client.close()


def _warm_file(path: Path) -> None:
    """Reads a file once, so that the speed of the disk is not measured."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass


def _ratio(name: str, times: list[float], target: str) -> Row:
    return Row(name, f"{times[0]:.2f} ms · {times[1]:.2f} ms", f"{times[0] / times[1]:.2f}", target)


def workers(effort: Effort) -> Iterator[Row]:
    """Yields two workers compared with one, for the list page, on both databases, on all cores."""
    with ExitStack() as stack:
        for name, scene in (("SQLite", embedded(10_000)), ("PostgreSQL", stack.enter_context(server_database(10_000)))):
            two = stack.enter_context(product(scene.database_url, workers=2, cores=CORES))
            one = stack.enter_context(product(scene.database_url, cores=CORES))
            sides = [
                lambda served=served, scene=scene: (
                    load(served.url, [PAGE], scene.headers, seconds=effort.seconds, connections=16).per_second
                )
                for served in (two, one)
            ]
            medians = measure_alternately(sides, effort.rounds)
            figures = f"two {medians[0]:,.0f}/s · one {medians[1]:,.0f}/s"
            yield Row(f"two workers ÷ one, list page, {name}", figures, f"{medians[0] / medians[1]:.2f}", "reported")


def footprint(effort: Effort) -> Iterator[Row]:
    """Yields the time to the first response, and the memory."""
    scene, large = embedded(10_000), embedded(effort.large, effort.events_each)
    starts = []
    for _ in range(effort.rounds):
        with product(scene.database_url) as ours:
            starts.append(ours.seconds_to_first_answer)
    yield Row("start to first answer, warm", f"{sorted(starts)[len(starts) // 2]:.2f} s", "", "< 1 s")
    with product(large.database_url) as ours:
        send(ours.url, PAGE, large.headers)
        time.sleep(1)
        idle = ours.memory()
        started = time.perf_counter()
        body = send(ours.url, WHOLE, large.headers).body
        took = time.perf_counter() - started
        yield Row("worker memory, idle", f"{idle:.0f} MB", "", "< 90 MB")
        name = f"worker memory, after streaming {effort.large:,} ({len(body) / 1e6:.0f} MB in {took:.0f} s)"
        yield Row(name, f"{ours.memory():.0f} MB, at most {ours.memory('VmHWM'):.0f} MB", "", "< 160 MB")
