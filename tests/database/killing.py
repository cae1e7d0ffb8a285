"""Kills migrations: each runs in a fork of one process, and is killed by SIGKILL after a statement.

`python -m tests.database.killing` reads requests from its standard input, one JSON object on each line.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg  # noqa: F401 - loaded before the forks
from alembic import command  # noqa: F401
from sqlalchemy import event

from issue_tracker.cli import databases
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings

ROOT = Path(__file__).parent.parent.parent


class Migrating:
    """The process that runs migrations in forks."""

    def __enter__(self) -> "Migrating":
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    def to_the_end(self, url: str, migrations: Path = migrate.MIGRATIONS) -> int:
        """Runs all migrations in the folder, and returns the number of statements."""
        code, statements = self._run(url, None, migrations)
        assert code == 0
        return statements

    def killed_after(self, url: str, statements: int) -> None:
        """Starts the migrations, and is killed after this many statements."""
        code, _ = self._run(url, statements, migrate.MIGRATIONS)
        assert code == -signal.SIGKILL

    def _run(self, url: str, statements: int | None, migrations: Path) -> tuple[int, int]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([url, statements, str(migrations)]) + "\n")
        self._process.stdin.flush()
        code, executed = json.loads(self._process.stdout.readline())
        return code, executed


def _migrate(url: str, kill_after: int | None, executed: int) -> None:
    """Runs the migrations, and writes the number of statements to the descriptor `executed`."""
    database = Database(Settings(database_url=url))
    statements = 0

    @event.listens_for(database.engine, "after_cursor_execute")
    def _count(*_: Any) -> None:
        nonlocal statements
        statements += 1
        if statements == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    databases.upgrade(database)
    os.write(executed, str(statements).encode())
    database.close()


def main() -> None:
    # The output of the program must not be mixed with the responses.
    responses = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        url, kill_after, migrations = json.loads(line)
        readable, executed = os.pipe()
        child = os.fork()
        if child == 0:
            migrate.MIGRATIONS = Path(migrations)
            _migrate(url, kill_after, executed)
            os._exit(0)
        os.close(executed)
        _, status = os.waitpid(child, 0)
        with os.fdopen(readable) as counted:
            print(json.dumps([os.waitstatus_to_exitcode(status), int(counted.read() or 0)]), file=responses, flush=True)


if __name__ == "__main__":
    main()
