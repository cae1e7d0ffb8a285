"""The processes of a run: each is pinned to its cores, and stopped by its process id."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """Returns a free TCP port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """A running server under measurement."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, seconds: float) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.seconds_to_first_answer = seconds

    def memory(self, field: str = "VmRSS") -> float:
        """Returns the memory in MiB: `VmRSS` is the current value, `VmHWM` the maximum so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(f"{field}:")[1].split()[0]) / 1024


@contextmanager
def serving(
    command: Sequence[str],
    port: int,
    environment: Mapping[str, str],
    *,
    cores: Sequence[int] = (SERVER_CORE,),
    log: Path | None = None,
) -> Iterator[Served]:
    """Runs a server until the block ends, pinned to these cores. Its log goes to the file."""
    taskset = ["taskset", "-c", ",".join(map(str, cores))] if shutil.which("taskset") else []
    path = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    started = time.monotonic()
    process = subprocess.Popen(
        [*taskset, sys.executable, "-m", *command],
        env={**_environment(), "PYTHONPATH": path, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if log is None else log.open("ab"),
        start_new_session=True,
    )
    try:
        _wait(process, port)
        yield Served(process, port, time.monotonic() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment() -> dict[str, str]:
    """This process's environment. Compiled modules are stored, as in an installed package, so that starts are warm."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Waits until the server responds to a request, with any status."""
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, f"the server ended: {process.args!r}"
        assert time.monotonic() < deadline, f"the server did not start: {process.args!r}"
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                if connection.recv(12).startswith(b"HTTP/1.1 "):
                    return
        except OSError:
            time.sleep(0.005)


@contextmanager
def product(
    database_url: str,
    *,
    workers: int = 1,
    cores: Sequence[int] = (SERVER_CORE,),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Runs the product as `issue-tracker serve` does, with these settings, named without their prefix."""
    port = free_port()
    command = ["bench.alone", "serve", "--port", str(port), "--workers", str(workers)]
    given = {**(settings or {}), "DATABASE_URL": database_url}
    environment = {f"ISSUE_TRACKER_{name}": value for name, value in given.items()}
    with serving(command, port, environment, cores=cores, log=LOG) as served:
        yield served


LOG = Path("build/bench/servers.log")
"""The log of the servers of a run."""

UVICORN_FLAGS = ("--log-level", "warning", "--no-access-log", "--no-server-header", "--no-proxy-headers")
"""The same options as in the product's own `serve`."""


@contextmanager
def uvicorn(application: str, environment: Mapping[str, str]) -> Iterator[Served]:
    """Runs another application on the same server program."""
    port = free_port()
    with serving(["uvicorn", application, "--port", str(port), *UVICORN_FLAGS], port, environment, log=LOG) as served:
        yield served
