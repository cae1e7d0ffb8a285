"""Measures the effect of a thousand listeners and 200 changes a second on other requests, and the cost of one
change.
"""

import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.effort import JSON, PAGE, Effort
from bench.load import Request
from bench.measures import Client, Row, on_the_load_core
from bench.processes import LOAD_CORE, Served, product
from bench.scene import Scene, embedded, status_changes

LISTENERS = 1_000
CHANGES_PER_SECOND = 200
MANY = {"STREAMS_PER_USER": str(LISTENERS)}
PAGES_PER_SECOND = 50
CONNECTIONS = 8


def listeners(effort: Effort) -> Iterator[Row]:
    """Yields the latency of list pages and the processor time of a change, without listeners and with them.

    Fails unless each listener has received every change.
    """
    scene = embedded(10_000)
    seconds = effort.seconds * effort.rounds
    for count in (0, LISTENERS):
        with product(scene.database_url, settings=MANY) as ours, _following(ours, scene, count):
            pages, changes, used = _load(ours, scene, seconds)
        yield Row(
            f"list page beside {CHANGES_PER_SECOND} changes a second and {count:,} listeners",
            f"page {_times(pages)} · change {_times(changes)} · {used * 1000:.2f} ms of processor time for a change",
            "",
            "p99 of page < 50 ms" if count else "",
        )


@contextmanager
def _following(served: Served, scene: Scene, count: int) -> Iterator[None]:
    """Follows the stream with so many listeners in another process. Fails unless all have received the same events."""
    if not count:
        yield
        return
    pinned = ["taskset", "-c", str(LOAD_CORE)] if shutil.which("taskset") else []
    command = [*pinned, sys.executable, "-m", "bench.following", served.url, str(count), scene.headers["Cookie"]]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield
        process.stdin.close()
        fewest, most = map(int, process.stdout.readline().split())
        assert 0 < fewest == most, f"one listener received {fewest} events, another one {most}"
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def _load(served: Served, scene: Scene, seconds: float) -> tuple[list[float], list[float], float]:
    """Returns the milliseconds of list pages and of changes, and the seconds of processor time for each change.

    Requests are sent at fixed times, even if earlier ones are still waiting, as far as the connections suffice.
    Latencies count from the time at which the request was due.
    """
    headers = {**scene.headers, **JSON}
    kinds = (([PAGE], PAGES_PER_SECOND), (status_changes(scene), CHANGES_PER_SECOND))
    measured: tuple[list[float], list[float]] = ([], [])
    start = time.monotonic() + 0.5
    before = _processor_seconds(served)
    threads = [
        threading.Thread(
            target=_send_at_times,
            args=(
                Client(served.url, headers),
                requests[place::CONNECTIONS] or requests,
                start + place / rate,
                CONNECTIONS / rate,
                start + seconds,
                times,
            ),
        )
        for (requests, rate), times in zip(kinds, measured, strict=True)
        for place in range(CONNECTIONS)
    ]
    with on_the_load_core():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    used = _processor_seconds(served) - before
    time.sleep(1)  # so that the last events arrive
    expected = sum(int(seconds * rate) for _, rate in kinds)
    assert sum(map(len, measured)) >= expected * 0.99, "a connection failed"
    return *measured, used / len(measured[1])


def _send_at_times(
    client: Client, requests: Sequence[Request], due: float, interval: float, end: float, times: list[float]
) -> None:
    for turn in range(int((end - due) / interval) + 1):
        moment = due + turn * interval
        time.sleep(max(0.0, moment - time.monotonic()))
        client.milliseconds(requests[turn % len(requests)])
        times.append((time.monotonic() - moment) * 1000)
    client.close()


def _processor_seconds(served: Served) -> float:
    fields = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _times(milliseconds: Sequence[float]) -> str:
    return f"{statistics.median(milliseconds):.1f} ms, p99 {statistics.quantiles(milliseconds, n=100)[98]:.1f} ms"
