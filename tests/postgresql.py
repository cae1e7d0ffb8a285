"""A PostgreSQL cluster for the tests: created in a temporary folder, on a free port, and stopped at the end."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.disks import fast_folder
from tests.made_once import copy_folder, once


def binaries() -> Path:
    """Returns the folder with initdb and postgres of the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    assert on_path, "PostgreSQL is missing: run scripts/test-environment"
    return Path(on_path).resolve().parent


def free_port() -> int:
    """Returns a free TCP port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> pwd.struct_passwd | None:
    """Returns an account for PostgreSQL, which refuses to run as root; None means the account that runs the tests."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("running as root, and neither postgres nor nobody exists to run PostgreSQL as")


class PortTaken(Exception):
    """Another process took the port between its choice and its use."""


class Cluster:
    """One cluster: an empty one, or with a copy of the data of one that was stopped. `durable` keeps fsync on, for
    tests that kill the server. `port` is 0 until its first start.
    """

    def __init__(self, *, durable: bool = False, data: Path | None = None) -> None:
        prefix = "issue-tracker-postgresql-"
        self.folder = Path(tempfile.mkdtemp(prefix=prefix)) if durable else fast_folder(prefix)
        self.port = 0
        self._durable = durable
        self._original = data
        self._process: subprocess.Popen[bytes] | None = None
        account = _unprivileged()
        self._user: int | None = account.pw_uid if account else None
        self._group: int | None = account.pw_gid if account else None
        self._groups: list[int] | None = [] if account else None
        if account:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._create_data(self.folder / "data")

    def _create_data(self, folder: Path) -> None:
        """Copies the data, because initdb takes ten times as long as a copy."""

        def initialize(copy: Path) -> None:
            self._run("initdb", "-D", str(folder), "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C")
            copy_folder(folder, copy)

        original = self._original or once("postgresql", initialize)
        if not folder.exists():
            copy_folder(original, folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(binaries() / program), *arguments]
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            cwd=self.folder,
            user=self._user,
            group=self._group,
            extra_groups=self._groups,
        )

    def start(self) -> None:
        """Starts the server on its former port, the first time on a free one, and waits until it accepts
        connections.
        """
        if self.port:
            self._start(self.port)
            return
        for _ in range(5):
            try:
                port = free_port()
                self._start(port)
            except PortTaken:
                continue
            self.port = port
            return
        raise AssertionError("PostgreSQL found no port to listen on")

    def _start(self, port: int) -> None:
        """Raises PortTaken. The server logs to a file, which is shown if the server ends too early."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "max_wal_size": "256MB",
            "shared_buffers": "64MB",
            # Autovacuum's transactions take numbers, which are part of a list's validator
            # (docs/decisions/0005-etags.md).
            "autovacuum": "on" if self._durable else "off",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        log = self.folder / "server.log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [str(binaries() / "postgres"), "-D", str(self.folder / "data"), *settings],
                cwd=self.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                user=self._user,
                group=self._group,
                extra_groups=self._groups,
            )
        deadline = time.monotonic() + 60
        while not self._answers(port):
            if self._process.poll() is not None:
                self._process, logged = None, log.read_text(errors="replace")
                if "could not bind" in logged:
                    raise PortTaken
                raise AssertionError(f"PostgreSQL ended at its start:\n{logged}")
            assert time.monotonic() < deadline, f"PostgreSQL did not start:\n{log.read_text(errors='replace')}"
            time.sleep(0.05)

    def _answers(self, port: int) -> bool:
        """Returns whether this cluster, and not another one, responds on the port."""
        try:
            with psycopg.connect(f"postgresql://tests@127.0.0.1:{port}/postgres", connect_timeout=2) as connection:
                found = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return found == (str(self.folder / "data"),)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops the server without waiting for its clients, as the shutdown of a machine does."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Creates a database and returns its URL: an empty one, or a copy of one without connections."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            # The default of newer versions writes the whole copy to the log, too.
            strategy = "STRATEGY file_copy" if connection.info.server_version >= 150000 else ""
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Deletes a database, unless it is already deleted, and ends the connections to it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def url(self, database: str) -> str:
        return f"postgresql://tests@127.0.0.1:{self.port}/{database}"

    def remove(self) -> None:
        """Stops the server without writing anything, and deletes the files."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Standby(Cluster):
    """A copy of another cluster that follows it, and is read-only until it is promoted."""

    def __init__(self, primary: Cluster, *, port: int = 0) -> None:
        self._primary = primary
        super().__init__()
        self.port = port

    def _create_data(self, folder: Path) -> None:
        address = ("-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "tests")
        self._run("pg_basebackup", *address, "-D", str(folder), "-R", "-X", "stream", "-c", "fast")

    def promote(self) -> None:
        """Makes the standby accept changes."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
