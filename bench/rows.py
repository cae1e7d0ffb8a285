"""The rows of the table, in the order of the issue that asked for them."""

import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from bench.dataset import STATUSES, Size, company_name, issue_name, site
from bench.load import Request, ask, load
from bench.measures import Client, Row, compare, in_turn, latencies, on_the_load_core
from bench.processes import CORES, SERVER_CORE, Served, product, uvicorn
from bench.scene import FOLDER, Scene, changes_made, embedded, members, server_database, status_changes

PAGE = Request("GET", "/api/issues?limit=50")
WHOLE = Request("GET", "/api/issues")
JSON = {"Content-Type": "application/json"}


TARGETED = ("list page", "company filter page", "status filter page", "search of 6 letters")


class Effort(NamedTuple):
    """How long to measure."""

    seconds: float
    rounds: int
    samples: int
    large: int
    events_each: int


FULL = Effort(seconds=2, rounds=5, samples=300, large=1_000_000, events_each=10)
QUICK = Effort(seconds=1, rounds=3, samples=60, large=100_000, events_each=1)


@contextmanager
def beside(scene: Scene, bodies: dict[str, bytes]) -> Iterator[tuple[Served, Served]]:
    """The ceiling with these bodies, and the peer on a copy of the scene's database."""
    folder = FOLDER / "ceiling"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, body in bodies.items():
        (folder / f"{name}.json").write_bytes(body)
    copy = FOLDER / "peer.db"
    shutil.copy(scene.path, copy)
    with (
        uvicorn("bench.ceiling:app", {"BENCH_CEILING": str(folder)}) as ceiling,
        uvicorn("bench.peer:app", {"BENCH_PEER_DATABASE": f"sqlite+aiosqlite:///{copy}"}) as peer,
    ):
        yield ceiling, peer


def rates(effort: Effort) -> Iterator[Row]:
    """What one worker does in a second on SQLite, against the ceiling and the peer."""
    scene = embedded(10_000)
    _, company, _ = members(scene, 1)[0]
    filtered = Request("GET", f"/api/issues?{urlencode({'status': 'new', 'companyName': company})}")
    headers, rounds = scene.headers, effort.rounds
    with product(scene.database_url) as ours:
        page, few = ask(ours.url, PAGE, headers), ask(ours.url, filtered, headers)
        with beside(scene, {"page": page.body, "few": few.body}) as (ceiling, peer):

            def rate(
                server: Served,
                requests: list[Request],
                more: dict[str, str] | None = None,
                code: int = 200,
                alike: bool = True,
            ) -> float:
                wanted = {**headers, **(more or {})} if server is not ceiling else {}
                return load(server.url, requests, wanted, seconds=effort.seconds, expected=code, alike=alike).per_second

            labels = ("product", "ceiling", "peer")
            repeated, unlike = "", ", no two requests alike"
            for how, target in ((repeated, "0.18 · 20"), (unlike, "")):
                yield compare(
                    f"list page, 50 × 3{how}",
                    labels,
                    [
                        lambda how=how: rate(ours, [PAGE], alike=how == repeated),
                        lambda how=how: rate(ceiling, [Request("GET", "/page")], alike=how == repeated),
                        lambda how=how: rate(peer, [PAGE], alike=how == repeated),
                    ],
                    rounds,
                    target,
                )
            changing = Writer(ours, scene)
            yield compare(
                "list page while ten changes a second are made",
                labels[:2],
                [changing.during(lambda: rate(ours, [PAGE])), lambda: rate(ceiling, [Request("GET", "/page")])],
                rounds,
                "",
            )
            for how, target in ((repeated, "– · 12"), (unlike, "")):
                yield compare(
                    f"filtered list, {len(few.body):,} bytes{how}",
                    labels,
                    [
                        lambda how=how: rate(ours, [filtered], alike=how == repeated),
                        lambda how=how: rate(ceiling, [Request("GET", "/few")], alike=how == repeated),
                        lambda how=how: rate(peer, [filtered], alike=how == repeated),
                    ],
                    rounds,
                    target,
                )
            for how, target in ((repeated, "0.18"), (unlike, "")):
                yield compare(
                    f"304 on the list page{how}",
                    labels[:2],
                    [
                        lambda how=how: rate(ours, [PAGE], etag_of(ours, PAGE, headers), 304, alike=how == repeated),
                        lambda how=how: rate(ceiling, [Request("GET", "/304")], code=304, alike=how == repeated),
                    ],
                    rounds,
                    target,
                )
            copied = scene._replace(database_url=f"sqlite:///{FOLDER / 'peer.db'}")
            yield compare(
                "status change, durable",
                ("product", "sqlite3 alone", "peer", "ceiling"),
                [
                    lambda: _changes(ours, scene, effort),
                    lambda: _alone(scene, effort),
                    lambda: _changes(peer, copied, effort),
                    lambda: rate(ceiling, [Request("PUT", "/few", status_changes(scene, 1)[0].body)]),
                ],
                rounds,
                "0.40 · 3 · –",
            )
    scene = embedded(3_000)
    with product(scene.database_url) as ours:
        whole = ask(ours.url, WHOLE, scene.headers).body
        with beside(scene, {"whole": whole}) as (ceiling, _):
            yield compare(
                "full list, 1,000 × 3",
                labels[:2],
                [
                    lambda: load(ours.url, [WHOLE], scene.headers, seconds=effort.seconds).per_second,
                    lambda: load(ceiling.url, [Request("GET", "/whole")], {}, seconds=effort.seconds).per_second,
                ],
                rounds,
                "0.40",
            )
            known = {**scene.headers, **etag_of(ours, WHOLE, scene.headers)}
            yield compare(
                "304 on the full list against the 200",
                ("304", "200"),
                [
                    lambda: load(ours.url, [WHOLE], known, seconds=effort.seconds, expected=304).per_second,
                    lambda: load(ours.url, [WHOLE], scene.headers, seconds=effort.seconds).per_second,
                ],
                rounds,
                "10",
            )
            yield _polled(ours, scene, effort)


def etag_of(served: Served, request: Request, headers: Mapping[str, str]) -> dict[str, str]:
    """The header with which the answer as it is now comes as a 304."""
    return {"If-None-Match": ask(served.url, request, headers).headers["etag"]}


def _changes(served: Served, scene: Scene, effort: Effort) -> float:
    """Status changes a second. Fails unless each of them changed something."""
    before = changes_made(scene)
    headers = {**scene.headers, **JSON}
    result = load(served.url, status_changes(scene), headers, seconds=effort.seconds)
    made = changes_made(scene) - before
    assert made >= result.requests, f"{result.requests} changes were asked for, and {made} made"
    return result.per_second


def _polled(ours: Served, scene: Scene, effort: Effort) -> Row:
    """What a client that polls gets: the list once after a change, and from then on 304."""
    client, changes = Client(ours.url, {**scene.headers, **JSON}), cycle(status_changes(scene))
    found: tuple[list[float], ...] = ([], [], [])
    with on_the_load_core():
        for _ in range(effort.samples):
            client.milliseconds(next(changes))
            took, etag = client.exchange(WHOLE)
            first, _ = client.exchange(WHOLE, etag, 304)
            then, _ = client.exchange(WHOLE, etag, 304)
            for times, one in zip(found, (took, first, then), strict=True):
                times.append(one)
    client.close()
    whole, first, then = (statistics.median(times) for times in found)
    figures = f"200 {whole:.2f} ms · first 304 {first:.2f} ms · then {then:.2f} ms"
    return Row(
        "304 ÷ the 200 after a change, 1,000 × 3", figures, f"{first / whole:.3f} · {then / whole:.3f}", "– · ≤ 0.1"
    )


class Writer:
    """A few status changes a second, by somebody else, while something is measured."""

    def __init__(self, served: Served, scene: Scene) -> None:
        self._url = served.url
        self._headers = {**scene.headers, **JSON}
        self._changes = cycle(status_changes(scene))

    def during(self, measure: Callable[[], float]) -> Callable[[], float]:
        """The measure, with changes going on."""

        def both() -> float:
            done = threading.Event()

            def write() -> None:
                while not done.wait(0.1):
                    ask(self._url, next(self._changes), self._headers)

            writer = threading.Thread(target=write)
            writer.start()
            try:
                return measure()
            finally:
                done.set()
                writer.join()

        return both


def _alone(scene: Scene, effort: Effort) -> float:
    command = [sys.executable, "-m", "bench.writes_alone", str(scene.path), str(effort.seconds)]
    pinned = ["taskset", "-c", str(SERVER_CORE)] if shutil.which("taskset") else []
    return float(subprocess.run([*pinned, *command], check=True, capture_output=True, text=True).stdout)


def scale(effort: Effort) -> Iterator[Row]:
    """On SQLite; the large dataset with ten events for each assignment."""
    small, large = embedded(10_000), embedded(effort.large, events_each=effort.events_each)
    for scene in (small, large):
        _read_through(scene.path)
    yield from _scale(effort, small, large, "")


def scale_on_server(effort: Effort) -> Iterator[Row]:
    """On PostgreSQL, which shares the cores with the server under load."""
    with server_database(10_000) as small, server_database(effort.large) as large:
        yield from _scale(effort, small, large, " on PostgreSQL")


def _scale(effort: Effort, small: Scene, large: Scene, where: str) -> Iterator[Row]:
    """Median latencies on a large dataset against a small one.

    All requests of a row go round twice, and the second round counts: so index and issues are warm on both sides, and
    neither the disk nor a small dataset's easier first time is measured. Somebody changes something before each.
    """
    sizes = [Size(10_000), Size(effort.large)]
    with product(small.database_url) as first, product(large.database_url) as second:
        clients = [Client(served.url, {**scene.headers, **JSON}) for served, scene in ((second, large), (first, small))]
        sides = (large, small)

        changes = [cycle(status_changes(scene)) for scene in sides]

        def disturb() -> None:
            """A change between any two requests: nothing is answered from what was kept."""
            for client, turns in zip(clients, changes, strict=True):
                client.milliseconds(next(turns))

        kinds = {
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
            yield _slower(f"{effort.large:,} ÷ 10,000{where}: {name}", latencies(clients, requests, disturb), target)
        requests = [list(islice(turns, 2 * effort.samples)) for turns in changes]
        yield _slower(f"{effort.large:,} ÷ 10,000{where}: status change", latencies(clients, requests), "≤ 1.5")
        for client in clients:
            client.close()


def _read_through(path: Path) -> None:
    """Reads a file once, so that the disk is not what is measured."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass


def _slower(name: str, times: list[float], target: str) -> Row:
    return Row(name, f"{times[0]:.2f} ms · {times[1]:.2f} ms", f"{times[0] / times[1]:.2f}", target)


def workers(effort: Effort) -> Iterator[Row]:
    """Two workers against one, the list page, on both databases; all on the cores there are."""
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
            medians = in_turn(sides, effort.rounds)
            figures = f"two {medians[0]:,.0f}/s · one {medians[1]:,.0f}/s"
            yield Row(f"two workers ÷ one, list page, {name}", figures, f"{medians[0] / medians[1]:.2f}", "reported")


def footprint(effort: Effort) -> Iterator[Row]:
    """Time to the first answer, and memory."""
    scene, large = embedded(10_000), embedded(effort.large, effort.events_each)
    starts = []
    for _ in range(effort.rounds):
        with product(scene.database_url) as ours:
            starts.append(ours.seconds_to_first_answer)
    yield Row("start to first answer, warm", f"{sorted(starts)[len(starts) // 2]:.2f} s", "", "< 1 s")
    with product(large.database_url) as ours:
        ask(ours.url, PAGE, large.headers)
        time.sleep(1)
        idle = ours.memory()
        started = time.perf_counter()
        body = ask(ours.url, WHOLE, large.headers).body
        took = time.perf_counter() - started
        yield Row("worker memory, idle", f"{idle:.0f} MB", "", "< 90 MB")
        name = f"worker memory, after streaming {effort.large:,} ({len(body) / 1e6:.0f} MB in {took:.0f} s)"
        yield Row(name, f"{ours.memory():.0f} MB, at most {ours.memory('VmHWM'):.0f} MB", "", "< 160 MB")
