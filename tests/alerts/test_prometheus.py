"""Prometheus and Alertmanager, with the files of docs/alerts.md: three targets of three companies, and a technician."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.alerts.monitoring import monitoring, program, until, write_documented_files
from tests.alerts.test_alerts import listed, set_status, statuses
from tests.alerts.test_receivers import given_receiver
from tests.postgresql import free_port
from tests.world import World

pytestmark = [pytest.mark.long, pytest.mark.parametrize("engine", ["postgresql"], indirect=True)]

COMPANIES = ("Acme Manufacturing", "Contoso", "Fabrikam")
ISSUE = "LineDown"
MORE_OFTEN = {"group_interval: 10s": "group_interval: 1s", "repeat_interval: 1h": "repeat_interval: 1s"}
"""The interval of repetitions, which this test needs to be short. All other intervals are those of the document."""


class _Answer(BaseHTTPRequestHandler):
    server: "Target"

    def do_GET(self) -> None:
        self.send_response(200 if self.server.works else 503)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


class Target(ThreadingHTTPServer):
    """A target that Prometheus scrapes. It fails until it is switched on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.works = False


@contextmanager
def targets(count: int) -> Iterator[list[Target]]:
    """Runs targets until the block ends."""
    with ExitStack() as stack:
        found = [stack.enter_context(Target()) for _ in range(count)]
        for target in found:
            Thread(target=target.serve_forever, daemon=True).start()
            stack.callback(target.shutdown)
        yield found


def counts(world: World) -> dict[str, int]:
    """Returns how often each company's alert was reported as firing."""
    return {alert["company"]: alert["count"] for alert in listed(world, "?state=firing")}


def repeated(world: World, times: int = 2) -> None:
    """Waits until each alert has been reported some more times."""
    before = counts(world)
    assert len(before) == len(COMPANIES)
    until(lambda: all(counts(world)[company] >= count + times for company, count in before.items()))


def test_the_documented_configuration_works(world: World, tmp_path: Path) -> None:
    """One issue for three companies is opened within 30 s; a technician's changes are not overwritten; clearing
    resolves the others.
    """
    path = given_receiver(world, "alertmanager")
    with targets(len(COMPANIES)) as lines, ExitStack() as stack:
        ports = {name: free_port() for name in ("prometheus", "alertmanager")}
        changes = {
            "https://issues.example.com/api/alerts/in/alertmanager/SECRET": world.server.url + path,
            "127.0.0.1:9093": f"127.0.0.1:{ports['alertmanager']}",
            **{f"192.0.2.{place}:9100": f"127.0.0.1:{line.server_port}" for place, line in enumerate(lines, 1)},
            **MORE_OFTEN,
        }
        write_documented_files("Prometheus and Alertmanager", tmp_path, changes)
        alertmanager: list[str | Path] = [
            program("prometheus-alertmanager", "alertmanager"),
            f"--config.file={tmp_path}/alertmanager.yml",
            f"--storage.path={tmp_path}/alertmanager-data",
            f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
            "--cluster.listen-address=",
        ]
        prometheus: list[str | Path] = [
            program("prometheus"),
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/prometheus-data",
            f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
        ]
        monitors = [stack.enter_context(monitoring(command, tmp_path)) for command in (alertmanager, prometheus)]
        until(lambda: len(counts(world)) == len(COMPANIES), *monitors, seconds=30)
        assert statuses(world, ISSUE) == dict.fromkeys(COMPANIES, "investigating")

        set_status(world, "in_progress", ISSUE)
        repeated(world)
        world.client().call("PUT", f"/api/issues/{ISSUE}", 200, json={"new_name": "Provider outage"})
        repeated(world)
        assert statuses(world, "Provider outage") == dict.fromkeys(COMPANIES, "investigating") | {
            "Contoso": "in_progress"
        }

        for line in lines:
            line.works = True
        until(lambda: not counts(world), *monitors)
        assert statuses(world, "Provider outage") == dict.fromkeys(COMPANIES, "resolved") | {"Contoso": "in_progress"}
        assert world.client().call("GET", "/api/issues", 200)["total"] == 1
