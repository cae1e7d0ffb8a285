"""Servers and workers in separate processes, as an operator starts them; they stop on a signal or are killed."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from issue_tracker.settings import Settings
from tests.postgresql import free_port
from tests.preloaded import Forked
from tests.processes import environment, launch, until_ready
from tests.server import Server

STDERR = 2


def start(arguments: list[str], database_url: str, settings: Mapping[str, str]) -> "subprocess.Popen[bytes] | Forked":
    """Starts a command of the product on this database; settings are given by their full names."""
    own = {**environment(database_url, LOG_LEVEL="error"), **settings}
    with Path(os.devnull).open("wb") as nothing:
        return launch(arguments, own, nothing.fileno(), STDERR)


class OwnServer(Server):
    """A server in a separate process; the database must be migrated."""

    def __init__(self, database_url: str, *options: str, **settings: str) -> None:
        port = free_port()
        super().__init__(Settings(database_url=database_url), f"http://127.0.0.1:{port}")
        self.process = start(["serve", "--port", str(port), *options], database_url, settings)

    def stop(self) -> float:
        """Stops the server as an operator does, and returns the number of seconds that this took."""
        started = time.monotonic()
        self.process.terminate()
        self.process.wait(30)
        return time.monotonic() - started


@contextmanager
def own_servers(database_url: str, *options: tuple[str, ...], **settings: str) -> Iterator[list[OwnServer]]:
    """One server for each tuple of options, on one database."""
    started = [OwnServer(database_url, *own, **settings) for own in options]
    try:
        for server in started:
            until_ready(server.process, server.url)
        yield started
    finally:
        for server in started:
            if server.process.poll() is None:
                server.process.terminate()
        for server in started:
            server.process.wait(30)
            server.close()
