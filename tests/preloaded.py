"""Starts commands as forks of a process that has imported the product, because the import takes longer than most
commands, and than the rest of the start of a server.

Each command is still a separate process, with the arguments, environment, folder, streams, signals and exit code of
the script `issue-tracker`. Only its password hashes are as cheap as those of the test process (fixtures.py). Tests
about the start of a process (standard streams that are closed, terminals, signals during the start, restricted
privileges) start Python themselves instead.

The server processes that such a server starts with `multiprocessing` are forks of it, too. `forking.py` is the code of
the preloaded process.
"""

import atexit
import fcntl
import marshal
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.forking import PROGRAMS

ROOT = Path(__file__).parent.parent

SCRIPT = """#!{python} -IS
import marshal, os, sys
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket

connection = socket(AF_UNIX, SOCK_STREAM)
connection.connect({address!r})
content = marshal.dumps(
    {{"program": {program!r}, "arguments": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}}
)
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
connection.sendmsg([len(content).to_bytes(4, "big")], [(SOL_SOCKET, SCM_RIGHTS, streams)])
connection.sendall(content)
connection.recv(4)
code = int.from_bytes(connection.recv(4), "big", signed=True)
if code < 0:
    os.kill(os.getpid(), -code)
os._exit(code)
"""
"""A program that lets the preloaded process run another one, with the standard streams, and ends like it."""


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
    """The process that has imported all modules. All processes of a test run share it: the first one that needs it
    starts it, and it ends when the last of them has closed it, or has ended.
    """

    def __init__(self) -> None:
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"alone-{os.getpid()}")
        self._link = Path(tempfile.gettempdir(), f"issue-tracker-preloaded-{run}")
        self._process: subprocess.Popen[bytes] | None = None
        with _one_at_a_time():
            if not self._link.exists():
                self._start()
            self._folder = self._link.resolve()
            self._in_use = os.open(self._folder / "in-use", os.O_WRONLY | os.O_NONBLOCK)
        self._address = str(self._folder / "socket")
        atexit.register(self.close)

    def _start(self) -> None:
        """Starts the process; it reads the end of its input when all who have opened the pipe `in-use` have closed
        it.
        """
        folder = Path(tempfile.mkdtemp(prefix="issue-tracker-"))
        os.mkfifo(folder / "in-use")
        in_use = os.open(folder / "in-use", os.O_RDONLY | os.O_NONBLOCK)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "socket"))
            listener.listen()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(listener.fileno()), str(folder)],
                pass_fds=[listener.fileno()],
                env=os.environ | {"PYTHONUTF8": "1"},
                cwd=ROOT,
                stdin=in_use,
                stdout=subprocess.DEVNULL,
            )
        os.close(in_use)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(folder)

    def start(
        self,
        arguments: list[str],
        *,
        streams: tuple[int, int, int],
        env: dict[str, str],
        cwd: Path | None = None,
        start_new_session: bool = False,
        largest_file: int | None = None,
        program: str = "issue-tracker",
    ) -> Forked:
        """Starts a program, or a module, with these file descriptors as its standard streams. It cannot write files of
        more than `largest_file` bytes, as after `ulimit -f`.
        """
        request = {
            "program": program,
            "arguments": arguments,
            "env": env,
            "cwd": str(cwd or Path.cwd()),
            "start_new_session": start_new_session,
            "largest_file": largest_file,
        }
        content = marshal.dumps(request)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        socket.send_fds(connection, [len(content).to_bytes(4)], streams)
        connection.sendall(content)
        return Forked(arguments, connection)

    def scripts(self) -> Path:
        """Returns a folder with the programs `issue-tracker` and `itctl`, for the PATH of shell scripts: they run the
        real ones as forks, and start twenty times faster. Their standard streams must be open.
        """
        folder = self._folder / "bin"
        with _one_at_a_time():
            if not folder.exists():
                folder.mkdir()
                for program in PROGRAMS:
                    script = SCRIPT.format(python=sys.executable, address=self._address, program=program)
                    (folder / program).write_text(script, encoding="utf-8")
                    (folder / program).chmod(0o755)
        return folder

    def close(self) -> None:
        """Ends the process, unless others use it. Whoever needs one later starts another one."""
        with _one_at_a_time():
            self._link.unlink(missing_ok=True)
            os.close(self._in_use)
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Runs the block while no other process runs such a block."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
