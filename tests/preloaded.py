"""Starts commands as forks of a process that has imported the product, because the import takes longer than most
commands, and than the rest of the start of a server.

Each command is still a separate process, with the arguments, environment, folder, streams, signals and exit code of
`python -m issue_tracker.cli`. Only its password hashes are as cheap as those of the test process (conftest.py). Tests
about the start of a process (standard streams that are closed, terminals, signals during the start, restricted
privileges) start Python themselves instead.

The server processes that such a server starts with `multiprocessing` are forks of it, too.
"""

import atexit
import gc
import importlib
import json
import multiprocessing.util
import os
import pkgutil
import resource
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from argon2 import PasswordHasher

from issue_tracker.auth import passwords

MODULE = "issue_tracker.cli"
ROOT = Path(__file__).parent.parent
STREAMS = (0, 1, 2)

SPAWNED = "--multiprocessing-fork"
"""The argument of every process that `multiprocessing` spawns."""

SERVER_PROCESS = "server process"
"""The name of a server process that was forked, in /proc."""


class Forked:
    """A started command, with the part of the interface of `subprocess.Popen` that the tests use. It is a child of the
    preloaded process, which waits for it and reports how it ended.
    """

    def __init__(self, args: list[str], reports: socket.socket) -> None:
        self.args = args
        self.returncode: int | None = None
        self._reports = reports
        self.pid = self._report()

    def poll(self) -> int | None:
        """Returns the exit code, negative for a signal; None while the process runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end, and returns the exit code. Raises TimeoutExpired."""
        if self.returncode is None:
            self._reports.settimeout(timeout)
            try:
                self.returncode = self._report()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._reports.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless the process is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _report(self) -> int:
        report = self._reports.recv(4)
        assert len(report) == 4, "the preloaded process has ended"
        return int.from_bytes(report, signed=True)


class Preloaded:
    """The process that has imported all modules; it ends with the test process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._requests, theirs = socket.socketpair()
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

    def start(
        self,
        arguments: list[str],
        *,
        streams: tuple[int, int, int],
        env: dict[str, str],
        cwd: Path | None = None,
        start_new_session: bool = False,
        largest_file: int | None = None,
    ) -> Forked:
        """Starts a command with these file descriptors as its standard streams. It cannot write files of more than
        `largest_file` bytes, as after `ulimit -f`.
        """
        request = {
            "arguments": arguments,
            "env": env,
            "cwd": str(cwd or Path.cwd()),
            "start_new_session": start_new_session,
            "largest_file": largest_file,
        }
        content = json.dumps(request).encode()
        ours, theirs = socket.socketpair()
        with theirs, self._guard:
            socket.send_fds(self._requests, [len(content).to_bytes(4)], [*streams, theirs.fileno()])
            self._requests.sendall(content)
        return Forked(arguments, ours)

    def close(self) -> None:
        """Ends the process."""
        self._requests.close()
        self._process.wait(30)


def cheap_hasher() -> PasswordHasher:
    """Argon2 with a low cost."""
    return PasswordHasher(time_cost=1, memory_cost=16, parallelism=1)


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
    hasher = cheap_hasher()
    passwords._hasher, passwords._no_account = hasher, hasher.hash("nobody")
    assert threading.active_count() == 1, "a fork would have none of the threads"
    gc.freeze()


def _next_command(requests: socket.socket) -> list[str]:
    """Forks for every request, and returns the arguments in the fork. Reports the exit codes of the forks."""
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for ready, _ in selector.select():
                if ready.data:
                    _report_end(selector, ready.fd, *ready.data)
                    continue
                header, descriptors, _, _ = socket.recv_fds(requests, 4, len(STREAMS) + 1)
                if not header:
                    raise SystemExit
                request = json.loads(_read(requests, int.from_bytes(header)))
                *streams, reporting = descriptors
                reports = socket.socket(fileno=reporting)
                child = os.fork()
                if child == 0:
                    _close_all(selector)
                    _become(request, streams, reports)
                    return list(request["arguments"])
                for stream in streams:
                    os.close(stream)
                selector.register(os.pidfd_open(child), selectors.EVENT_READ, (child, reports))


def _report_end(selector: selectors.BaseSelector, descriptor: int, child: int, reports: socket.socket) -> None:
    selector.unregister(descriptor)
    os.close(descriptor)
    _, status = os.waitpid(child, 0)
    with reports, suppress(BrokenPipeError):  # the test may have ended
        reports.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, signed=True))


def _close_all(selector: selectors.BaseSelector) -> None:
    """Closes what a new process would not have."""
    for key in selector.get_map().values():
        if key.data:
            os.close(key.fd)
            key.data[1].close()
        else:
            key.fileobj.close()  # type: ignore[union-attr]


def _become(request: dict[str, Any], streams: list[int], reports: socket.socket) -> None:
    """Gives this process what the request says, and reports its id, when signals for its group reach it."""
    for stream, number in zip(streams, STREAMS, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    if request["start_new_session"]:
        os.setsid()
    if (largest := request["largest_file"]) is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    with reports:
        reports.sendall(os.getpid().to_bytes(4, signed=True))


_execute = multiprocessing.util.spawnv_passfds


def _fork_instead_of_executing(path: bytes, args: list[str], descriptors: list[int]) -> int:
    """Starts a process of `multiprocessing` (and not its resource tracker, nor one that collects metrics, because
    prometheus_client decides that when it is imported) as a fork with only these file descriptors, and with the
    default signal handlers, as a new program has them.
    """
    if SPAWNED not in args or "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        return int(_execute(path, args, descriptors))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _run_spawned(args, descriptors)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return child


def _run_spawned(args: list[str], descriptors: list[int]) -> NoReturn:
    Path("/proc/self/comm").write_text(SERVER_PROCESS)
    used = sorted({*STREAMS, *descriptors})
    for before, after in pairwise([*used, os.sysconf("SC_OPEN_MAX")]):
        if before + 1 < after:
            os.closerange(before + 1, after)
    sys.argv = ["-c", SPAWNED]
    _end(lambda: exec(args[args.index("-c") + 1], {}), lambda: None)  # what it inherits is for its parent to do


def _end(program: Callable[[], object], at_exit: Callable[[], object]) -> NoReturn:
    """Runs a program to its end, as the interpreter does. The process then exits without deleting every object, because
    that would copy all memory that it shares with the preloaded process.
    """
    code: object = 0
    try:
        program()
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    at_exit()
    try:
        sys.stdout.flush()
    except OSError:
        traceback.print_exc()
        code = 120
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _import_everything()
    multiprocessing.util.spawnv_passfds = _fork_instead_of_executing  # type: ignore[assignment]
    sys.argv[1:] = _next_command(socket.socket(fileno=int(sys.argv[1])))
    _end(lambda: runpy.run_module(MODULE, run_name="__main__", alter_sys=True), atexit._run_exitfuncs)
