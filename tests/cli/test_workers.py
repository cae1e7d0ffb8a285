"""Several server processes may be slow to start, are replaced when they end, and end with their parent."""

import os
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings
from tests.clients import get
from tests.database.faults import limited
from tests.processes import ServeProcess, new_interpreters, processes, running
from tests.shared import Shared
from tests.waiting import eventually

Start = Callable[..., ServeProcess]


@pytest.fixture
def start(shared: Shared, tmp_path: Path) -> Iterator[Start]:
    """Starts a server with two processes on an embedded database, whose log is `server.log`. Tests of the start itself
    do so in `new_interpreters`.
    """
    url = shared.with_admin("sqlite")
    servers: list[ServeProcess] = []

    def start(**settings: Any) -> ServeProcess:
        servers.append(ServeProcess(url, tmp_path / "server.log", workers=2, **{"LOG_FORMAT": "json", **settings}))
        return servers[-1]

    yield start
    for server in servers:
        for pid in processes(server):
            os.kill(pid, signal.SIGKILL)
        server.kill()


def logged(server: ServeProcess, event: str) -> int:
    return server.log.read_text().count(f'"event": "{event}"')


def test_new_processes_may_be_slow_to_start_and_then_serve_and_stop(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a quarter of a core: the processes are stopped as soon as they exist, for longer than some supervisors
    wait. Afterwards they report metrics, for which the library decides during its import, are replaced if they hang,
    and end with their parent.
    """
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if '--multiprocessing-fork' not in sys.orig_argv:\n"
        "    from issue_tracker.cli import supervisor\n"
        "    supervisor.SILENT_CHECKS = 12\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with new_interpreters():
        server = start(METRICS="1")
    eventually(lambda: len(processes(server)) == 2, 60)
    first = processes(server)
    for pid in first:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(6)
    assert processes(server) == first
    for pid in first:
        os.kill(pid, signal.SIGCONT)
    server.wait_until_ready()
    eventually(lambda: logged(server, "server process started") == 2, 60)
    assert processes(server) == first and logged(server, "server process ended") == 0
    assert 'issue_tracker_requests_total{method="GET",route="/readyz"' in get(f"{server.url}/metrics").text
    hanging = first.pop()
    os.kill(hanging, signal.SIGSTOP)
    eventually(lambda: logged(server, "server process started") == 3, 60)
    assert logged(server, "server process hangs") == 1 and not running(hanging)
    first = processes(server)
    server.process.terminate()
    assert server.process.wait(30) == 0
    assert not any(running(pid) for pid in first) and "Traceback" not in server.log.read_text()


def test_a_process_that_is_killed_is_replaced_and_logged(start: Start) -> None:
    server = start().wait_until_ready()
    eventually(lambda: logged(server, "server process started") == 2, 60)
    first = processes(server)
    killed = first.copy().pop()
    # No file descriptor is left for the pipe to another process; the remaining one continues to serve.
    with limited(server.process.pid, resource.RLIMIT_NOFILE, 3):
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: logged(server, "server process not started") > 0, 60)
        assert get(f"{server.url}/readyz").status_code == 200
    eventually(lambda: logged(server, "server process started") == 3, 60)
    assert len(processes(server)) == 2 and len(processes(server) & first) == 1
    line = next(line for line in server.log.read_text().splitlines() if '"server process ended"' in line)
    assert f'"process": {killed}' in line and '"exit_code": -9' in line
    assert get(f"{server.url}/readyz").status_code == 200


@pytest.mark.parametrize("moment", ["starting", "serving"])
def test_processes_end_with_their_parent(start: Start, moment: str) -> None:
    """`kill -9` of the parent, which cannot notify them."""
    with new_interpreters() if moment == "starting" else nullcontext():
        server = start()
    eventually(lambda: len(processes(server)) == 2, 60)
    if moment == "serving":
        server.wait_until_ready()
        eventually(lambda: logged(server, "server process started") == 2, 60)
    left = processes(server)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(30)
    eventually(lambda: not any(running(pid) for pid in left), 30)
    again = start().wait_until_ready()
    eventually(lambda: len(processes(again)) == 2, 60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_of_them(start: Start, number: int) -> None:
    server = start().wait_until_ready()
    eventually(lambda: len(processes(server)) == 2, 60)
    left = processes(server)
    os.kill(server.process.pid, number)
    assert server.process.wait(30) == 0
    assert not any(running(pid) for pid in left)
    assert "Traceback" not in server.log.read_text()


def test_ctrl_c_during_the_start_causes_no_traceback(start: Start) -> None:
    """A terminal sends SIGINT to the whole process group."""
    with new_interpreters():
        server = start()
    eventually(lambda: len(processes(server)) == 2, 60)
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait(60) == 0
    assert "Traceback" not in server.log.read_text()


def test_ctrl_c_just_before_the_start_of_a_process_is_not_lost(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent gets the signal just before it starts each of its processes."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\n"
        "from multiprocessing import popen_spawn_posix\n"
        "launch = popen_spawn_posix.Popen._launch\n"
        "def interrupted(self, process):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    launch(self, process)\n"
        "popen_spawn_posix.Popen._launch = interrupted\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with new_interpreters():
        server = start()
    assert server.process.wait(60) == 0
    assert "Traceback" not in server.log.read_text()


def test_a_start_that_cannot_succeed_is_reported(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes cannot import the application, which the parent itself does not need."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif '--multiprocessing-fork' in sys.orig_argv:\n    sys.modules['issue_tracker.app'] = None\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with new_interpreters():
        server = start()
    assert server.process.wait(60) == 1
    lines = server.log.read_text().splitlines()
    assert lines[-1] == "issue-tracker: A server process ended before it was ready; the lines above say why."
    assert any("issue_tracker.app" in line for line in lines[:-1])


def test_requests_of_a_killed_process_are_no_longer_shown_as_waiting(start: Start) -> None:
    server = start(METRICS="1", THREADS="1", DATABASE_WAIT_SECONDS="30").wait_until_ready()

    def waiting() -> float:
        text = get(f"{server.url}/metrics").text
        return sum(float(number) for number in re.findall(r"^issue_tracker_requests_waiting\{.*\} (.*)$", text, re.M))

    ada = server.sign_in()
    ada.call("POST", "/api/issues", 201, json={"name": "VPN"})
    database = Database(Settings(database_url=server.database_url))
    with closing(database), database.write(), ThreadPoolExecutor(6) as senders:
        for number in range(6):
            senders.submit(ada.put, "/api/issues/VPN", json={"description": str(number)})
        eventually(lambda: waiting() >= 4)
        for pid in processes(server):
            os.kill(pid, signal.SIGKILL)
    server.wait_until_ready()
    eventually(lambda: waiting() == 0)


def test_a_trusted_proxy_that_uses_ipv4_is_recognized_on_a_socket_for_ipv6(start: Start) -> None:
    server = start(HOST="::", TRUSTED_PROXIES="127.0.0.1").wait_until_ready()
    get(f"{server.url}/healthz", headers={"X-Forwarded-For": "203.0.113.9"})
    eventually(lambda: '"address":"203.0.113.9"' in server.log.read_text())
