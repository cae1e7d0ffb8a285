"""How servers start and stop: the addresses on which they listen, and the signals that end them."""

import signal
import smtplib
import socket
from pathlib import Path

import pytest

from tests.clients import get
from tests.postgresql import free_port
from tests.processes import Piped, begin, run, serve

# The database is irrelevant here.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_address_of_all_networks_includes_ipv4(admin_url: str, tmp_path: Path, workers: int) -> None:
    with serve(admin_url, tmp_path / "log", workers=workers, HOST="::") as server:
        port = server.port
        assert (
            get(f"http://[::1]:{port}/healthz").status_code
            == get(f"http://127.0.0.1:{port}/healthz").status_code
            == 200
        )


def test_the_address_of_all_networks_includes_ipv4_for_mail(admin_url: str) -> None:
    port = free_port()
    running = begin("mail", "--host", "::", "--port", str(port), database_url=admin_url, LOG_LEVEL="error")
    assert running.stdout.readline() == f"Receiving alerts by LMTP on :::{port}.\n"
    for host in ("::1", "127.0.0.1"):
        with smtplib.LMTP(host, port, timeout=20) as client:
            assert client.noop()[0] == 250
    running.process.terminate()
    assert running.process.wait(30) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_address_that_cannot_be_used_is_reported(admin_url: str, workers: str) -> None:
    def refused(host: str, port: int) -> str:
        arguments = ("serve", "--host", host, "--port", str(port), "--workers", workers)
        ended = run(*arguments, database_url=admin_url, LOG_LEVEL="error")
        assert ended.returncode == 1
        return ended.stderr

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = f"issue-tracker: The server cannot start on 127.0.0.1:{port}: Address already in use.\n"
        assert refused("127.0.0.1", port) == said
    assert refused("nowhere.invalid", port).startswith(
        f"issue-tracker: The server cannot start on nowhere.invalid:{port}: "
    )


def test_the_port_that_the_mail_command_cannot_use_is_reported(admin_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for mail_port, metrics_port, what in (
            (port, 0, "Mail cannot be received"),
            (free_port(), port, "Metrics cannot be served"),
        ):
            arguments = ("mail", "--port", str(mail_port))
            ended = run(*arguments, database_url=admin_url, LOG_LEVEL="error", MAIL_METRICS_PORT=str(metrics_port))
            said = f"issue-tracker: {what} on 127.0.0.1:{port}: Address already in use.\n"
            assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("command", ["worker", "mail"])
def test_a_signal_stops_a_command_with_success(admin_url: str, command: str, number: int) -> None:
    running = _started(admin_url, command)
    running.process.send_signal(number)
    assert running.rest() == ("", "")
    assert running.process.wait(30) == 0


def _started(url: str, command: str) -> Piped:
    arguments = (command, "--port", str(free_port())) if command == "mail" else (command,)
    running = begin(*arguments, database_url=url, LOG_LEVEL="error")
    assert running.stdout.readline().endswith(".\n")
    return running
