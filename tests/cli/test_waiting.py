"""Several processes start at the same time: one migrates, the others wait, and all of them succeed."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from issue_tracker.database import migrate
from tests.preloaded import Forked
from tests.processes import Piped, ServeProcess, begin, run
from tests.waiting import eventually

NOTE = "Waiting for another process to finish with the database.\n"

WAIT = 0.5
"""Seconds for which a command with a short timeout waits for a lock."""

IMPATIENT: dict[str, Any] = {"DATABASE_WAIT_SECONDS": str(WAIT)}


@contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    """Holds an embedded database in the block as a migration does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


def begun(command: str, url: str) -> Piped:
    return begin(command, database_url=url, **IMPATIENT)


def still_waits(process: "subprocess.Popen[Any] | Forked") -> bool:
    """Returns whether a process runs for longer than one lock timeout."""
    try:
        process.wait(3 * WAIT)
    except subprocess.TimeoutExpired:
        return True
    return False


def test_a_second_serve_waits_while_the_first_one_migrates(tmp_path: Path) -> None:
    path = tmp_path / "issues.db"
    with held(path):
        server = ServeProcess(f"sqlite:///{path}", tmp_path / "log", **IMPATIENT)
        eventually(lambda: server.log.read_text() == NOTE, 60)
        assert still_waits(server.process)
    server.wait_until_ready()
    server.kill()
    assert server.log.read_text().startswith(NOTE)


@pytest.mark.parametrize("command", ["migrate", "demo"])
def test_other_commands_that_migrate_wait_too(tmp_path: Path, command: str) -> None:
    path = tmp_path / "issues.db"
    with held(path):
        waiting = begun(command, f"sqlite:///{path}")
        assert waiting.stderr.readline() == NOTE
        assert still_waits(waiting.process)
    assert waiting.rest()[1] == "" and waiting.process.returncode == 0


def test_a_schema_that_a_newer_program_migrated_first_is_reported(tmp_path: Path) -> None:
    """Two nodes with different versions of the program start together."""
    path = tmp_path / "issues.db"
    assert run("migrate", database_url=f"sqlite:///{path}").returncode == 0
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()
    with held(path) as connection:
        waiting = begun("migrate", f"sqlite:///{path}")
        assert waiting.stderr.readline() == NOTE
        assert still_waits(waiting.process)
        connection.execute("UPDATE alembic_version SET version_num = '0042'")
    out, err = waiting.rest()
    assert (waiting.process.returncode, out) == (1, "")
    assert err.startswith("issue-tracker: This database is newer (0042) than this program ("), err


def test_many_commands_start_on_an_empty_database(fresh_database_url: str, engine: str, tmp_path: Path) -> None:
    commands = [begun("migrate", fresh_database_url) for _ in range(4)]
    outputs = []
    for command in commands:
        out, err = command.rest()
        assert command.process.returncode == 0 and err in ("", NOTE), (out, err)
        outputs.append(out)
    head = migrate.head()
    migrated, current = f"Migrated from an empty database to {head}.\n", f"The schema is current ({head}).\n"
    assert sorted(outputs) == sorted([migrated, *[current] * 3])


def test_servers_start_together_without_a_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data/issues.db"
    servers = [ServeProcess(url, tmp_path / f"{number}.log", **IMPATIENT) for number in range(3)]
    try:
        for server in servers:
            server.wait_until_ready()
    finally:
        for server in servers:
            server.kill()


def test_a_server_starts_while_another_process_writes(tmp_path: Path) -> None:
    """A long import does not prevent a start: with a current schema and a user there is nothing to write."""
    path = tmp_path / "issues.db"
    url = f"sqlite:///{path}"
    assert run("migrate", database_url=url).returncode == 0
    added = run("user", "add", "a@b.example", "--name", "A", "--role", "super_admin", database_url=url)
    assert added.returncode == 0
    with held(path):
        server = ServeProcess(url, tmp_path / "log", **IMPATIENT).wait_until_ready()
    server.kill()


@pytest.mark.parametrize("command", ["issue import", "company import", "company-group import"])
def test_a_slow_input_holds_no_transaction_open(tmp_path: Path, command: str) -> None:
    url, pipe = f"sqlite:///{tmp_path}/issues.db", tmp_path / "pipe"
    assert run("migrate", database_url=url).returncode == 0
    os.mkfifo(pipe)
    importing = begin(*command.split(), str(pipe), database_url=url)
    with pipe.open("w") as input_:  # waits until the command reads
        added = run("company", "add", "Northwind", database_url=url, **IMPATIENT)
        input_.write("company_name,group\n" if "group" in command else "name\n")
    assert (added.stdout, added.stderr) == ("Added 1.\n", "")
    assert importing.rest()[1] == ""
