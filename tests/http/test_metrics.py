"""`/metrics` counts the requests of all workers by route template, and is off by default (contract, 10)."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.clients import get
from tests.engines import decided_in_python
from tests.events.processes import OwnServer, own_servers
from tests.processes import ServeProcess, processes
from tests.waiting import eventually
from tests.world import Clock, World

LINE = re.compile(r'issue_tracker_requests_total\{method="(\w+)",route="([^"]+)",status="(\d+)"\} ([\d.]+)')


def counted(world: World) -> dict[tuple[str, str, str], int]:
    text = world.anonymous().get("/metrics").text
    assert "Wide area" not in text and "Contoso" not in text
    return {(method, route, status): int(float(number)) for method, route, status, number in LINE.findall(text)}


def measured(server: OwnServer) -> World:
    world = World(server, Clock())
    world.given_issue("Wide area", {"Contoso": "new"})
    return world


@decided_in_python
def test_cached_and_other_requests_are_counted_by_template(migrated_url: str) -> None:
    with own_servers(migrated_url, (), ISSUE_TRACKER_METRICS="true") as (server,):
        world = measured(server)
        tess = world.client("tess")
        for _ in range(3):
            for path in ("/api/issues/Wide%20area", "/api/issues/Wide%20area/", "/api/issues?companyName=Contoso", "/"):
                tess.call("GET", path, 200)
        etag = tess.get("/api/issues/Wide%20area").headers["etag"]
        for _ in range(2):
            tess.call("GET", "/api/issues/Wide%20area", 304, headers={"If-None-Match": etag})
        tess.call("GET", "/nothing/here", 404)
        world.anonymous().call("GET", "/api/issues", 401)

        found = counted(world)

        assert found["GET", "/api/issues/{issue_name}", "200"] == 7
        assert found["GET", "/api/issues/{issue_name}", "304"] == 2
        assert found["GET", "/api/issues", "200"] == found["GET", "/", "200"] == 3
        assert found["GET", "/api/issues", "401"] == found["GET", "(none)", "404"] == 1
        world.close()


# Workers share their metrics in files, whatever the database is.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_any_worker_returns_the_metrics_of_all(migrated_url: str, tmp_path: Path) -> None:
    more = {"ISSUE_TRACKER_METRICS": "true", "TMPDIR": str(tmp_path)}
    with own_servers(migrated_url, ("--workers", "2"), **more) as (server,):
        world = measured(server)
        for _ in range(20):
            world.client("tess").call("GET", "/api/issues", 200)
        assert {counted(world)["GET", "/api/issues", "200"] for _ in range(5)} == {20}
        world.close()
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir()), "a server that ends leaves no temporary files"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("returns", [True, False])
def test_a_deleted_folder_of_metrics_makes_no_request_fail(admin_url: str, tmp_path: Path, returns: bool) -> None:
    """As with `systemd-tmpfiles`, or a cleanup of `/tmp`; the folder may not return, as with a full disk."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    try:
        server = ServeProcess(admin_url, tmp_path / "log", workers=2, METRICS="true", LOG_FORMAT="json")
    finally:
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
    try:
        server.wait_until_ready()
        eventually(lambda: started(server) == 2 and len(list(folder.glob("counter_*"))) == 2, 60)
        folder.rename(tmp_path / "deleted")
        if not returns:
            folder.touch()
        ada = server.sign_in()
        for number in range(6):
            assert get(f"{server.url}/metrics").status_code == 200
            ada.call("POST", "/api/issues", 201, json={"name": f"VPN {number}"})
        if returns:
            left = processes(server)
            # Each request has its own connection, which either process may accept.
            eventually(lambda: get(f"{server.url}/healthz").is_success and all(counts(folder, pid) for pid in left), 60)
        assert ("/api/issues" in get(f"{server.url}/metrics").text) == returns
        os.kill(processes(server).pop(), signal.SIGKILL)
        eventually(lambda: started(server) == 3, 60)
        assert get(f"{server.url}/healthz").status_code == 200
        log = server.log.read_text()
        assert "Traceback" not in log and 0 < log.count("of shared metrics") <= 3
    finally:
        server.kill()


@decided_in_python
def test_a_file_of_metrics_without_content_makes_no_request_fail(migrated_url: str, tmp_path: Path) -> None:
    """A process that is creating its files has such a file for a moment; one that is killed then leaves it."""
    more = {"ISSUE_TRACKER_METRICS": "true", "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    with own_servers(migrated_url, (), **more) as (server,):
        world = measured(server)
        (tmp_path / "counter_1-0.db").touch()
        world.client("tess").call("GET", "/api/issues", 200)
        assert counted(world)["GET", "/api/issues", "200"] == 1
        world.close()


def started(server: ServeProcess) -> int:
    return server.log.read_text().count('"server process started"')


def counts(folder: Path, process: int) -> bool:
    """Returns whether a process has its own files in the folder."""
    return any(folder.glob(f"counter_{process}-*.db"))


@pytest.mark.parametrize("who", ["ada", None])
def test_metrics_are_off_by_default(world: World, who: str | None) -> None:
    client = world.client(who) if who else world.anonymous()
    client.call("GET", "/metrics", 404)
