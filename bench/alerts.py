"""Rows about alerts: a thousand a second, in messages with many alerts and with one, while users load pages."""

import json
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, select

from bench.dataset import company_name
from bench.effort import Effort
from bench.load import Request
from bench.measures import Client, Row, on_the_load_core
from bench.open_loop import percentile
from bench.processes import Served, product
from bench.scene import FOLDER, Scene, embedded, server_database
from issue_tracker.actor import command_line
from issue_tracker.alerts.receivers import create_receiver
from issue_tracker.alerts.senders import Kind
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import alerts as stored_alerts
from issue_tracker.database.tables import issues
from issue_tracker.names import Name
from issue_tracker.settings import Settings

RATE = 1000
"""Alerts a second."""

ISSUES, COMPANIES = 10, 200
"""Each of the issues affects all of these companies, so that there are 2,000 different alerts."""

GROUPED = 100
"""Alerts in a message of a sender that groups them."""

PAUSE = 0.05
"""Seconds between two lists that are loaded at the same time."""


class _Sent(NamedTuple):
    """The number of confirmed alerts, the duration in seconds, the milliseconds of each message, and the number of
    messages that were refused with 503. `turns` are the numbers of the confirmed groups.
    """

    confirmed: int
    seconds: float
    took: Sequence[float]
    refused: int
    turns: frozenset[int]


def alerts(effort: Effort) -> Iterator[Row]:
    """Sends alerts for a minute, first 100 in each message, then one, on both databases."""
    yield from _rows(_copy(embedded(10_000)), "SQLite", effort)
    with server_database(10_000) as scene:
        yield from _rows(scene, "PostgreSQL", effort)


def _copy(scene: Scene) -> Scene:
    """Returns the same dataset in a separate file, because other parts use it without alerts."""
    path = FOLDER / "alerts.db"
    for stale in FOLDER.glob("alerts.db*"):
        stale.unlink()
    source, copy = sqlite3.connect(scene.path), sqlite3.connect(path)
    source.backup(copy)
    source.close()
    copy.close()
    return scene._replace(database_url=f"sqlite:///{Path(path)}")


def _rows(scene: Scene, where: str, effort: Effort) -> Iterator[Row]:
    database = Database(Settings(database_url=scene.database_url))
    with database.write() as tx:
        receiver, secret = create_receiver(tx, command_line("bench"), Name("Bench"), Kind.ALERTMANAGER)
    path = f"/api/alerts/in/{receiver.kind}/{secret}"
    each = [_alert(issue, company) for issue in range(ISSUES) for company in range(COMPANIES)]
    together = [each[start : start + GROUPED] for start in range(0, len(each), GROUPED)]
    confirmed, known = 0, 0
    with product(scene.database_url) as ours, on_the_load_core():
        calm = _lists(ours, scene, effort.seconds)
        for how, groups, connections in (
            (f"in messages of {GROUPED}", together, 4),
            ("singly, over 8 connections", [[one] for one in each], 8),
        ):
            sent, beside = _send(ours, scene, path, groups, connections, 30 * effort.seconds)
            confirmed += sent.confirmed
            known = max(known, len(sent.turns) * len(groups[0]))
            _verify(database, known, confirmed)
            figures = (
                f"{sent.confirmed / sent.seconds:,.0f}/s, message median {statistics.median(sent.took):.1f} ms, p99"
                f" {percentile(sent.took, 99):.0f} ms · list beside median {statistics.median(beside):.1f} ms, p99"
                f" {percentile(beside, 99):.0f} ms · calm median {statistics.median(calm):.1f} ms, p99"
                f" {percentile(calm, 99):.0f} ms{f' · {sent.refused} messages refused' if sent.refused else ''}"
            )
            yield Row(f"{RATE:,} alerts a second {how}, {where}", figures, "none lost, none twice", f"{RATE:,}/s")
    database.close()


def _alert(issue: int, company: int) -> dict[str, object]:
    labels = {"alertname": f"Alarm {issue}", "company": company_name(company + 1), "severity": "critical"}
    return {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": "No carrier"},
        "fingerprint": f"{issue}/{company}",
    }


def _send(
    ours: Served, scene: Scene, path: str, groups: Sequence[Sequence[object]], connections: int, seconds: float
) -> tuple[_Sent, list[float]]:
    """Sends the groups one after the other, at most RATE alerts a second, and loads lists at the same time."""
    requests = [Request("POST", path, json.dumps({"alerts": group})) for group in groups]
    size = len(groups[0])
    took: list[float] = []
    refused: list[int] = []
    turns: set[int] = set()
    start = time.perf_counter() + 0.1
    ended = [start] * connections

    def work(number: int) -> None:
        client = Client(ours.url, {"Content-Type": "application/json"})
        for turn in range(number, round(seconds * RATE / size), connections):
            due = start + turn * size / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            milliseconds, status, _ = client.attempt(requests[turn % len(requests)])
            assert status in (202, 503), status
            if status == 503:
                refused.append(turn)
            else:
                took.append(milliseconds)
                turns.add(turn % len(requests))
            if time.perf_counter() > start + seconds:
                break
        ended[number] = time.perf_counter()
        client.close()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for worker in workers:
        worker.start()
    lists = _lists(ours, scene, seconds)
    for worker in workers:
        worker.join()
    return _Sent(len(took) * size, max(ended) - start, took, len(refused), frozenset(turns)), lists


def _lists(ours: Served, scene: Scene, seconds: float) -> list[float]:
    """Requests lists as technicians load them, nearly all different, at the pace of users."""
    client = Client(ours.url, scene.headers)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        time.sleep(PAUSE)
        times.append(client.milliseconds(Request("GET", f"/?open=true&search=%20{'%20' * (len(times) % 50)}")))
    client.close()
    return times


def _verify(database: Database, known: int, confirmed: int) -> None:
    """Checks that every confirmed alert is counted once and belongs to the only issue with its name."""
    names = [f"Alarm {issue}" for issue in range(ISSUES)]
    with database.read() as tx:
        rows, counted = tx.execute(select(func.count(), func.sum(stored_alerts.c["count"]))).one()
        about = set(tx.execute(select(stored_alerts.c.issue_id)).scalars())
        opened = set(tx.execute(select(issues.c.issue_id).where(issues.c.name.in_(names))).scalars())
    assert (rows, int(counted), about) == (known, confirmed, opened), (rows, known, counted, confirmed, about, opened)
