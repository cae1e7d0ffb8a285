"""Kills migrations: those to be killed run in a fork of one process, which receives SIGKILL after a statement, or
directly before the commit.

`python -m tests.database.killing` reads requests from its standard input, one JSON object on each line.
"""

import gc
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg  # noqa: F401 - loaded before the forks
from alembic import command  # noqa: F401 - loaded before the forks
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import event

from issue_tracker.cli import databases
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings
from tests.processes import environment, preloaded

ROOT = Path(__file__).parent.parent.parent

STDERR = 2

COMMIT = "COMMIT"
"""The moment before the commit of what was migrated."""


class Migrating:
    """The process that runs migrations, itself or in forks."""

    def __enter__(self) -> "Migrating":
        their_input, our_output = os.pipe()
        our_input, their_output = os.pipe()
        streams = (their_input, their_output, STDERR)
        self._process = preloaded().start([], streams=streams, env=environment(), cwd=ROOT, program=__name__)
        os.close(their_input)
        os.close(their_output)
        self._requests, self._responses = os.fdopen(our_output, "w"), os.fdopen(our_input)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._requests.close()
        self._process.wait(30)
        self._responses.close()

    def to_the_end(self, url: str, migrations: Path = migrate.MIGRATIONS, *, to: str = "head") -> int:
        """Runs all migrations in the folder, or those up to a version, and returns the number of statements."""
        statements = self._run(url, None, migrations, to)
        assert statements is not None
        return statements

    def killed(self, url: str, moment: int | str) -> None:
        """Starts all migrations, and is killed after this many statements, or at COMMIT."""
        code = self._run(url, moment, migrate.MIGRATIONS, "head")
        assert code == -signal.SIGKILL

    def _run(self, *request: str | int | Path | None) -> int | None:
        print(json.dumps(request, default=str), file=self._requests, flush=True)
        response: int | None = json.loads(self._responses.readline())
        return response


def _migrate(url: str, killed: int | str | None, to: str) -> int:
    """Runs the migrations until the process is killed or they end, and returns the number of statements."""
    database = Database(Settings(database_url=url))
    statements, migrated = 0, False

    @event.listens_for(database.engine, "after_cursor_execute")
    def _count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal statements, migrated
        statements += 1
        migrated |= statement.startswith("UPDATE alembic_version")
        if statements == killed:
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(database.engine, "commit")
    def _before_commit(_connection: Any) -> None:
        if migrated and killed == COMMIT:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        databases.upgrade(database) if to == "head" else migrate.upgrade(database, to)
    finally:
        database.close()
    return statements


def _in_fork(url: str, killed: int | str, to: str) -> int:
    """Runs the migrations in a fork, and returns its exit code."""
    gc.collect()
    gc.freeze()  # a collection in the fork would copy the memory
    child = os.fork()
    if child == 0:
        _migrate(url, killed, to)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _load_scripts_once() -> None:
    """Lets Alembic load the migrations of this program once, instead of twice in every run."""
    load, folder = ScriptDirectory.from_config, str(migrate.MIGRATIONS)
    scripts = ScriptDirectory(folder)

    def loaded(config: Config) -> ScriptDirectory:
        return scripts if config.get_main_option("script_location") == folder else load(config)

    ScriptDirectory.from_config = loaded  # type: ignore[method-assign]  # Alembic's commands have no parameter for the scripts


def main() -> None:
    # The output of the program must not be mixed with the responses.
    responses = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _load_scripts_once()
    for line in sys.stdin:
        url, killed, migrations, to = json.loads(line)
        migrate.MIGRATIONS = Path(migrations)
        try:
            response = _migrate(url, None, to) if killed is None else _in_fork(url, killed, to)
        # Whatever it is, the test process gets a response, on which it fails, and the traceback is in its output.
        except Exception:
            traceback.print_exc()
            response = None
        print(json.dumps(response), file=responses, flush=True)


if __name__ == "__main__":
    main()
