"""Measures what one worker achieves per second, compared with the ceiling, the peer and `sqlite3` alone."""

import shutil
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from urllib.parse import urlencode

from bench.effort import JSON, PAGE, WHOLE, Effort
from bench.load import Request, load, send
from bench.measures import Client, Row, compare, on_the_load_core
from bench.processes import SERVER_CORE, Served, product, uvicorn
from bench.scene import FOLDER, Scene, changes_made, embedded, members, status_changes


@contextmanager
def beside(scene: Scene, bodies: dict[str, bytes]) -> Iterator[tuple[Served, Served]]:
    """Runs the ceiling with these bodies, and the peer on a copy of the scene's database."""
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
    """Yields what one worker achieves per second on SQLite, compared with the ceiling and the peer."""
    scene = embedded(10_000)
    _, company, _ = members(scene, 1)[0]
    filtered = Request("GET", f"/api/issues?{urlencode({'status': 'new', 'companyName': company})}")
    headers, rounds = scene.headers, effort.rounds
    with product(scene.database_url) as ours:
        page, few = send(ours.url, PAGE, headers), send(ours.url, filtered, headers)
        with beside(scene, {"page": page.body, "few": few.body}) as (ceiling, peer):

            def rate(
                server: Served,
                requests: list[Request],
                more: dict[str, str] | None = None,
                code: int = 200,
                alike: bool = True,
            ) -> float:
                sent = {**headers, **(more or {})} if server is not ceiling else {}
                return load(server.url, requests, sent, seconds=effort.seconds, expected=code, alike=alike).per_second

            labels = ("product", "ceiling", "peer")
            repeated, unlike = "", ", no two requests alike"
            for how, target in ((repeated, "0.18 · 20"), (unlike, "")):
                yield compare(
                    f"list page, 50 × 3{how}",
                    labels,
                    [
                        partial(rate, ours, [PAGE], alike=how == repeated),
                        partial(rate, ceiling, [Request("GET", "/page")], alike=how == repeated),
                        partial(rate, peer, [PAGE], alike=how == repeated),
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
                        partial(rate, ours, [filtered], alike=how == repeated),
                        partial(rate, ceiling, [Request("GET", "/few")], alike=how == repeated),
                        partial(rate, peer, [filtered], alike=how == repeated),
                    ],
                    rounds,
                    target,
                )

            def unchanged(*, alike: bool) -> float:
                return rate(ours, [PAGE], etag_of(ours, PAGE, headers), 304, alike=alike)

            for how, target in ((repeated, "0.18"), (unlike, "")):
                yield compare(
                    f"304 on the list page{how}",
                    labels[:2],
                    [
                        partial(unchanged, alike=how == repeated),
                        partial(rate, ceiling, [Request("GET", "/304")], code=304, alike=how == repeated),
                    ],
                    rounds,
                    target,
                )
            copied = scene._replace(database_url=f"sqlite:///{FOLDER / 'peer.db'}")
            yield compare(
                "status changes, durable, eight at a time",
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
        whole = send(ours.url, WHOLE, scene.headers).body
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
    """Returns the header with which the current response becomes a 304."""
    return {"If-None-Match": send(served.url, request, headers).headers["etag"]}


def _changes(served: Served, scene: Scene, effort: Effort) -> float:
    """Returns status changes per second. Fails unless every request has changed something."""
    before = changes_made(scene)
    headers = {**scene.headers, **JSON}
    result = load(served.url, status_changes(scene), headers, seconds=effort.seconds)
    made = changes_made(scene) - before
    assert made >= result.requests, f"{result.requests} changes were requested, and {made} were made"
    return result.per_second


def _polled(ours: Served, scene: Scene, effort: Effort) -> Row:
    """Measures a polling client: the list once after each change, then 304."""
    client, changes = Client(ours.url, {**scene.headers, **JSON}), cycle(status_changes(scene))
    measured: tuple[list[float], ...] = ([], [], [])
    with on_the_load_core():
        for _ in range(effort.samples):
            client.milliseconds(next(changes))
            took, etag = client.exchange(WHOLE)
            first, _ = client.exchange(WHOLE, etag, 304)
            then, _ = client.exchange(WHOLE, etag, 304)
            for times, one in zip(measured, (took, first, then), strict=True):
                times.append(one)
    client.close()
    whole, first, then = (statistics.median(times) for times in measured)
    figures = f"200 {whole:.2f} ms · first 304 {first:.2f} ms · then {then:.2f} ms"
    return Row(
        "304 ÷ the 200 after a change, 1,000 × 3", figures, f"{first / whole:.3f} · {then / whole:.3f}", "– · ≤ 0.1"
    )


class Writer:
    """Another client that makes ten status changes per second during a measurement."""

    def __init__(self, served: Served, scene: Scene) -> None:
        self._url = served.url
        self._headers = {**scene.headers, **JSON}
        self._changes = cycle(status_changes(scene))

    def during(self, measure: Callable[[], float]) -> Callable[[], float]:
        """Returns the measurement, with changes made at the same time."""

        def measured_while_writing() -> float:
            done = threading.Event()

            def write() -> None:
                while not done.wait(0.1):
                    send(self._url, next(self._changes), self._headers)

            writer = threading.Thread(target=write)
            writer.start()
            try:
                return measure()
            finally:
                done.set()
                writer.join()

        return measured_while_writing


def _alone(scene: Scene, effort: Effort) -> float:
    command = [sys.executable, "-m", "bench.writes_alone", str(scene.path), str(effort.seconds)]
    pinned = ["taskset", "-c", str(SERVER_CORE)] if shutil.which("taskset") else []
    return float(subprocess.run([*pinned, *command], check=True, capture_output=True, text=True).stdout)
