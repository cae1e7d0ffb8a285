"""Measures lists during a flood of sign-ins: the effect on other users of 64 connections that constantly send wrong
passwords.
"""

import math
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.effort import Effort
from bench.load import Request
from bench.measures import Client, Row, on_the_load_core
from bench.processes import CORES, LOAD_CORE, product
from bench.scene import Scene, embedded, server_database

CONNECTIONS = 64

UNLIMITED = {f"SIGN_IN_{name}_LIMIT": "1000000000" for name in ("ACCOUNT", "ADDRESS", "NETWORK", "TOTAL")}
"""Settings with which no attempt is throttled, so that a password is hashed without a pause."""


def flood(effort: Effort) -> Iterator[Row]:
    """Compares lists during sign-ins with lists alone, both with every password hashed and with the default
    throttling.
    """
    scene = embedded(10_000)
    yield from _rows(scene, "every password hashed", UNLIMITED, effort)
    yield from _rows(scene, "throttled", {}, effort)
    with server_database(10_000) as scene:
        yield from _rows(scene, "every password hashed, PostgreSQL", UNLIMITED, effort)


def _rows(scene: Scene, how: str, settings: Mapping[str, str], effort: Effort) -> Iterator[Row]:
    with product(scene.database_url, cores=CORES, settings=settings) as ours:
        client = Client(ours.url, scene.headers)
        calm, beside = [], []
        for _ in range(effort.rounds):
            calm += _times(client, effort)
            with _sign_ins(ours.url):
                _times(client, effort)  # until the queue is full
                beside += _times(client, effort)
        client.close()
    for name, of, target in (("median", statistics.median, "≤ 2"), ("p99", _p99, "≤ 100 ms")):
        quick, slow = of(calm), of(beside)
        figures = f"beside {slow:.2f} ms · calm {quick:.2f} ms"
        row = f"list beside {CONNECTIONS} sign-in connections ÷ calm, {how}: {name}"
        yield Row(row, figures, f"{slow / quick:.2f}", target)


def _times(client: Client, effort: Effort) -> list[float]:
    with on_the_load_core():
        return list(map(client.milliseconds, _in_turn(max(150, effort.samples))))


def _in_turn(count: int) -> Iterator[Request]:
    """Requests lists of about 50 issues, nearly all different, at the pace of users: a hash takes longer than many
    lists.
    """
    for turn in range(count):
        time.sleep(0.02)
        yield Request("GET", f"/api/issues?limit={40 + turn % 21}")


def _p99(times: list[float]) -> float:
    return sorted(times)[math.ceil(len(times) * 0.99) - 1]


@contextmanager
def _sign_ins(url: str) -> Iterator[None]:
    """Sends wrong passwords from another process until the block ends, for a minute at most."""
    with tempfile.TemporaryDirectory(prefix="issue-tracker-bench-") as folder:
        script = Path(folder) / "sign-in.lua"
        script.write_text(_SCRIPT)
        pinned = ["taskset", "-c", str(LOAD_CORE)] if shutil.which("taskset") else []
        options = ["-t1", f"-c{CONNECTIONS}", "-d60s", "--timeout", "60s", "-s", str(script)]
        process = subprocess.Popen([*pinned, "wrk", *options, f"{url}/api/auth/login"], stdout=subprocess.DEVNULL)
        try:
            yield
            assert process.poll() is None, "the sign-ins ended too early"
        finally:
            process.kill()
            process.wait()


_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"email": "bench@helpdesk.example", "password": "not the password"}'
"""
