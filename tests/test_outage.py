"""PostgreSQL stops and starts again: requests get 503, the probes show it, and nothing has to be restarted."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients import Client, get
from tests.postgresql import Cluster, free_port
from tests.processes import ServeProcess, serve
from tests.shared import create_with_admin, new_cluster
from tests.waiting import eventually

pytestmark = pytest.mark.long

PATIENCE = 5.0
"""Seconds within which every request must be answered (contract, section 2: a request never hangs)."""

PAUSE_SECONDS = 0.01
"""The pause of a writer after each response; a request takes about as long."""


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    cluster = new_cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def wait_for(server: ServeProcess, status: int) -> None:
    """Waits until /readyz has this status."""
    deadline = time.monotonic() + 60
    while get(f"{server.url}/readyz").status_code != status:
        assert time.monotonic() < deadline, f"/readyz never answered {status}"
        time.sleep(0.1)


def test_requests_in_an_outage_are_answered_and_the_server_survives_it(own_cluster: Cluster, tmp_path: Path) -> None:
    url = create_with_admin(own_cluster, "outage")
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
    logged = log.read_text()
    assert "database unavailable" in logged and "Traceback" not in logged


class Writer(threading.Thread):
    """Creates issues until `stop` is set, and stores the status of each response. `begun` counts the requests."""

    def __init__(self, client: Client, name: str, stop: threading.Event) -> None:
        super().__init__()
        self.client, self.name, self.stop = client, name, stop
        self.begun = 0
        self.responses: dict[str, int] = {}
        self.seconds: list[float] = []

    def run(self) -> None:
        while not self.stop.is_set():
            name = f"{self.name} {self.begun}"
            self.begun += 1
            started = time.monotonic()
            self.responses[name] = self.client.post("/api/issues", json={"name": name}).status_code
            self.seconds.append(time.monotonic() - started)
            self.stop.wait(PAUSE_SECONDS)


def test_every_request_gets_a_response_in_an_outage_under_load(own_cluster: Cluster, tmp_path: Path) -> None:
    """PostgreSQL stops while writers work: each response is correct, and none takes long."""
    url = create_with_admin(own_cluster, "outage")
    stop = threading.Event()
    with serve(url, tmp_path / "server.log") as server:
        admin = server.sign_in()
        writers = []
        for number in range(6):
            client = server.client()
            client.cookies.update(admin.cookies)
            client.headers.update(admin.headers)
            writers.append(Writer(client, f"Writer {number}", stop))
        for writer in writers:
            writer.start()

        def each_has(status: int) -> None:
            """Waits until every writer has received this status for a request that it started after this call."""
            since = [writer.begun for writer in writers]
            eventually(
                lambda: all(
                    status in [*writer.responses.values()][begun:] for writer, begun in zip(writers, since, strict=True)
                ),
                60,
            )

        try:
            each_has(201)
            own_cluster.stop()
            each_has(503)
            own_cluster.start()
            each_has(201)
        finally:
            stop.set()
            for writer in writers:
                writer.join(60)
        responses = {name: status for writer in writers for name, status in writer.responses.items()}
        assert set(responses.values()) == {201, 503}
        assert sum(writer.begun for writer in writers) == len(responses), "everything was answered"
        assert max(second for writer in writers for second in writer.seconds) < PATIENCE
        stored = {issue["name"] for issue in admin.call("GET", "/api/issues", 200)["items"]}
        assert {name for name, status in responses.items() if status == 201} - stored == set()
        # After a 503 the change may be committed if the confirmation was lost, but at most once for each writer.
        assert len({name for name, status in responses.items() if status == 503} & stored) <= len(writers)


def test_a_serve_command_without_its_database_reports_it(tmp_path: Path) -> None:
    port = free_port()
    server = ServeProcess(f"postgresql://tests@127.0.0.1:{port}/outage", tmp_path / "server.log")
    assert server.process.wait(60) == 1
    assert server.log.read_text() == (
        'issue-tracker: The database cannot be used: connection failed: connection to server at "127.0.0.1", '
        f"port {port} failed: Connection refused.\n"
    )
