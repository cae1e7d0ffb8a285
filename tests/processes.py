"""The product in separate processes: `issue-tracker …` as users run it, and servers that a test can kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import NamedTuple, TextIO

import httpx

from issue_tracker.settings import PREFIX
from tests.clients import Client
from tests.forking import SERVER_PROCESS
from tests.made_once import once
from tests.postgresql import free_port
from tests.preloaded import Forked, Preloaded
from tests.world import PASSWORD

COMMAND = [str(Path(sys.executable).with_name("issue-tracker"))]

ADMIN = "ada@helpdesk.example"


def environment(database_url: str | None = None, **settings: str) -> dict[str, str]:
    """Returns the environment of a process, which contains only the variables that it needs to run. Its temporary files
    are in a folder that is deleted at the end of the tests: a process that is killed leaves them. It cannot import what
    users do not have.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    if database_url:
        settings["DATABASE_URL"] = database_url
    given = {PREFIX + name: value for name, value in settings.items()}
    path = os.pathsep.join(filter(None, (own.get("PYTHONPATH"), str(once("without-test-packages", _hide_packages)))))
    return own | given | {"PYTHONUTF8": "1", "TMPDIR": _temporary().name, "PYTHONPATH": path}


def _hide_packages(folder: Path) -> None:
    """Makes a folder that hides the package `rich`, which only the tests need. The product would import it with
    structlog, which takes a fifth of the start of a command.
    """
    folder.mkdir()
    (folder / "rich.py").write_text("raise ImportError")


@cache
def _temporary() -> TemporaryDirectory[str]:
    """The folder for temporary files of all processes that this test process starts."""
    return TemporaryDirectory(prefix="issue-tracker-processes-", ignore_cleanup_errors=True)


def run(
    *arguments: str,
    database_url: str | None = None,
    stdin: str | bytes = "",
    cwd: Path | None = None,
    largest_file: int | None = None,
    **settings: str,
) -> "subprocess.CompletedProcess[str]":
    """Runs one command to its end. It cannot write files of more than `largest_file` bytes. Raises TimeoutExpired after
    two minutes.
    """
    env = environment(database_url, **settings)
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin.encode() if isinstance(stdin, str) else stdin)
        given.seek(0)
        streams = (given.fileno(), out.fileno(), err.fileno())
        process = preloaded().start(list(arguments), streams=streams, env=env, cwd=cwd, largest_file=largest_file)
        try:
            code = process.wait(120)
        finally:
            process.kill()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode().replace("\r\n", "\n").replace("\r", "\n"))
    return subprocess.CompletedProcess(list(arguments), code, *texts)


@cache
def preloaded() -> Preloaded:
    """The process from which this test process forks commands."""
    return Preloaded()


class Piped(NamedTuple):
    """A started command whose output can be read while it runs."""

    process: Forked
    stdout: TextIO
    stderr: TextIO

    def rest(self) -> tuple[str, str]:
        """Waits for the end, and returns what was not yet read."""
        with self.stdout, self.stderr:
            texts = self.stdout.read(), self.stderr.read()
        self.process.wait(120)
        return texts


def begin(*arguments: str, database_url: str, **settings: str) -> Piped:
    """Starts a command without input, with pipes as its outputs."""
    out, their_out = os.pipe()
    err, their_err = os.pipe()
    with os.fdopen(their_out, "wb"), os.fdopen(their_err, "wb"), Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), their_out, their_err)
        process = preloaded().start(list(arguments), streams=streams, env=environment(database_url, **settings))
    return Piped(process, os.fdopen(out, encoding="utf-8"), os.fdopen(err, encoding="utf-8"))


_executing = False


@contextmanager
def new_interpreters() -> Iterator[None]:
    """In this block, `launch` executes COMMAND instead of forking a process that has imported everything: for tests of
    the start itself, or of the memory of a process.
    """
    global _executing  # noqa: PLW0603 - a property of the block, whichever thread starts a command
    _executing = True
    try:
        yield
    finally:
        _executing = False


def launch(
    arguments: list[str],
    env: dict[str, str],
    out: int,
    err: int,
    *,
    cwd: Path | None = None,
    start_new_session: bool = False,
) -> "subprocess.Popen[bytes] | Forked":
    """Starts a command with these file descriptors as its output, and without input."""
    with Path(os.devnull).open("rb") as nothing:
        if _executing:
            return subprocess.Popen(
                [*COMMAND, *arguments],
                env=env,
                cwd=cwd,
                stdin=nothing,
                stdout=out,
                stderr=err,
                start_new_session=start_new_session,
            )
        streams = (nothing.fileno(), out, err)
        return preloaded().start(arguments, streams=streams, env=env, cwd=cwd, start_new_session=start_new_session)


def given_admin(database_url: str) -> None:
    """Creates a migrated database with one super admin, using the command line."""
    migrated = run("migrate", database_url=database_url)
    assert migrated.returncode == 0, migrated.stderr
    added = run(
        "user", "add", ADMIN, "--name", "Ada Lund", "--role", "super_admin", "--password-stdin",
        database_url=database_url, stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr


def until_ready(process: "subprocess.Popen[bytes] | Forked", url: str, log: Path | None = None) -> None:
    """Waits until the server reports that it is ready; fails with its log if it ends or takes too long."""
    deadline = time.monotonic() + 60
    with Client(timeout=5) as probe:
        while True:
            going = process.poll() is None and time.monotonic() < deadline
            assert going, log.read_text() if log else f"{process.args!r} did not get ready"
            with suppress(httpx.TransportError):
                if probe.get(f"{url}/readyz").status_code == 200:
                    return
            time.sleep(0.02)


class ServeProcess:
    """One `issue-tracker serve`, in a process group of its own."""

    def __init__(
        self,
        database_url: str,
        log: Path,
        *,
        port: int = 0,
        workers: int = 1,
        cwd: Path | None = None,
        **settings: str,
    ) -> None:
        self.database_url = database_url
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        arguments = ["serve", "--port", str(self.port), "--workers", str(workers)]
        env = environment(database_url, **settings)
        with log.open("ab") as out:
            self.process = launch(arguments, env, out.fileno(), out.fileno(), cwd=cwd, start_new_session=True)

    def wait_until_ready(self) -> "ServeProcess":
        """Waits until the server reports that it is ready."""
        until_ready(self.process, self.url, self.log)
        return self

    def kill(self) -> None:
        """`kill -9` of the server and its workers."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def client(self) -> Client:
        """Returns a client without a credential."""
        return Client(base_url=self.url)

    def sign_in(self, email: str = ADMIN, password: str = PASSWORD) -> Client:
        """Returns a client with a session, which sends its CSRF token."""
        client = self.client()
        response = client.call("POST", "/api/auth/login", 200, json={"email": email, "password": password})
        client.headers["X-CSRF-Token"] = response["csrf_token"]
        return client


def processes(server: ServeProcess) -> set[int]:
    """Returns the server processes of a parent, identified by their command line or name, and parent process."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            executed = b"spawn_main" in (folder / "cmdline").read_bytes()
            forked = (folder / "comm").read_text() == f"{SERVER_PROCESS}\n"
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == server.process.pid and (executed or forked):
            found.add(int(folder.name))
    return found


def running(pid: int) -> bool:
    """Returns whether a process exists and is not a zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the second one if the process ends between opening and reading
        return False


@contextmanager
def serve(database_url: str, log: Path, *, workers: int = 1, **settings: str) -> Iterator[ServeProcess]:
    """Runs a server until the block ends; it is ready when the block begins."""
    server = ServeProcess(database_url, log, port=0, workers=workers, cwd=None, **settings)
    try:
        yield server.wait_until_ready()
    finally:
        server.kill()
