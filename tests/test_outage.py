"""PostgreSQL goes and comes back: requests answer 503, the probes tell, and nothing has to be restarted."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.postgresql import Cluster
from tests.processes import ServeProcess, given_admin, serve

PATIENCE = 5.0
"""Seconds in which every request must be answered (contract, section 2: never a hang)."""


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def wait_for(server: ServeProcess, status: int) -> None:
    """Returns when /readyz answers so."""
    deadline = time.monotonic() + 60
    while httpx.get(f"{server.url}/readyz", timeout=30).status_code != status:
        assert time.monotonic() < deadline, f"/readyz never answered {status}"
        time.sleep(0.1)


def test_an_outage_is_answered_and_outlived(own_cluster: Cluster, tmp_path: Path) -> None:
    url = own_cluster.create_database("outage")
    given_admin(url)
    log = tmp_path / "server.log"
    with serve(url, log) as server:
        client = server.sign_in()
        client.timeout = httpx.Timeout(PATIENCE)
        client.call("POST", "/api/issues", 201, json={"name": "Before"})
        for outage in range(2):
            own_cluster.stop()
            for method, path, body in (
                ("GET", "/api/issues", None),
                ("GET", "/api/issues/Before", None),
                ("PUT", "/api/issues/Before", {"description": "lost"}),
                ("POST", "/api/issues", {"name": "lost"}),
                ("POST", "/api/auth/login", {"email": "ada@helpdesk.example", "password": "x"}),
                ("GET", "/api/nothing", None),
                ("GET", "/readyz", None),
            ):
                response = client.request(method, path, json=body)
                assert response.status_code == 503, f"{method} {path}: {response.text}"
                assert int(response.headers["Retry-After"]) > 0 and response.json()["detail"]
                assert "postgres" not in response.text.lower() and str(own_cluster.port) not in response.text
            assert client.get("/healthz").json() == {"status": "ok"}
            page = client.get("/", headers={"Accept": "text/html"})
            style = re.search(r"/static/[^\"]+\.css", page.text)
            assert page.status_code == 503 and style and client.get(style[0]).status_code == 200

            own_cluster.start()
            wait_for(server, 200)
            assert client.call("GET", "/api/issues/Before", 200)["description"] is None
            client.call("POST", "/api/issues", 201, json={"name": f"After {outage}"})
        assert client.call("GET", "/api/issues", 200)["total"] == 3
    told = log.read_text()
    assert "database unavailable" in told and "Traceback" not in told


def test_an_outage_under_load_answers_everyone(own_cluster: Cluster, tmp_path: Path) -> None:
    url = own_cluster.create_database("outage")
    given_admin(url)
    with serve(url, tmp_path / "server.log") as server:
        client = server.sign_in()
        client.call("POST", "/api/issues", 201, json={"name": "Before"})
        for number in range(60):
            if number == 20:
                own_cluster.stop()
            if number == 40:
                own_cluster.start()
                wait_for(server, 200)
            response = client.put("/api/issues/Before", json={"description": f"{number}"}, timeout=PATIENCE)
            assert response.status_code == (503 if 20 <= number < 40 else 200), response.text
        assert client.call("GET", "/api/issues/Before", 200)["description"] == "59"


def test_a_serve_command_without_its_database_says_so(own_cluster: Cluster, tmp_path: Path) -> None:
    url = own_cluster.create_database("outage")
    own_cluster.stop()
    server = ServeProcess(url, tmp_path / "server.log")
    assert server.process.wait(60) == 1
    assert server.log.read_text() == ("issue-tracker: The database is out of reach or too busy. Try again shortly.\n")
