"""Runs commands as forks of a process that has imported the command line, because the import takes longer than most
commands.

Each command is still a separate process, with the arguments, environment, folder, streams and exit code of `python -m
issue_tracker.cli`. Tests about the start of a process (servers, signals, closed streams) start Python themselves
instead.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryFile

MODULE = "issue_tracker.cli"
ROOT = Path(__file__).parent.parent
STREAMS = (0, 1, 2)


class Preloaded:
    """The process that has imported all modules; it ends with the test process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._connection, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=os.environ | {"PYTHONUTF8": "1"},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        atexit.register(self.close)

    def run(
        self, arguments: list[str], *, stdin: str, env: dict[str, str], cwd: Path | None, seconds: float
    ) -> "subprocess.CompletedProcess[str]":
        """Runs one command to its end. Raises TimeoutExpired; after that no further command can run."""
        request = json.dumps({"arguments": arguments, "env": env, "cwd": str(cwd or Path.cwd())}).encode()
        with self._guard, TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            self._connection.settimeout(seconds)
            try:
                streams = [stream.fileno() for stream in (given, out, err)]
                socket.send_fds(self._connection, [len(request).to_bytes(4)], streams)
                self._connection.sendall(request)
                code = int.from_bytes(_read(self._connection, 4), signed=True)
            except TimeoutError:
                self._process.kill()
                raise subprocess.TimeoutExpired(arguments, seconds) from None
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read().decode().replace("\r\n", "\n").replace("\r", "\n"))
        return subprocess.CompletedProcess(arguments, code, *texts)

    def close(self) -> None:
        """Ends the process."""
        self._connection.close()
        self._process.wait(30)


def _read(connection: socket.socket, size: int) -> bytes:
    """Reads exactly this many bytes, or fewer at the end of the connection."""
    content = b""
    while len(content) < size and (part := connection.recv(size - len(content))):
        content += part
    return content


def _import_everything() -> None:
    package = importlib.import_module("issue_tracker")
    for module in pkgutil.walk_packages(package.__path__, "issue_tracker."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("alembic.command", "alembic.config", "psycopg"):
        importlib.import_module(name)
    assert threading.active_count() == 1, "a fork would have none of the threads"
    gc.freeze()


def _next_command(connection: socket.socket) -> list[str]:
    """Forks for every request, and returns the arguments in the fork."""
    while True:
        header, streams, _, _ = socket.recv_fds(connection, 4, len(STREAMS))
        if not header:
            raise SystemExit
        request = json.loads(_read(connection, int.from_bytes(header)))
        child = os.fork()
        if child == 0:
            connection.close()
            for stream, number in zip(streams, STREAMS, strict=True):
                os.dup2(stream, number)
                os.close(stream)
            os.environ.clear()
            os.environ.update(request["env"])
            os.chdir(request["cwd"])
            return list(request["arguments"])
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(child, 0)
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, signed=True))


if __name__ == "__main__":
    _import_everything()
    sys.argv[1:] = _next_command(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
