"""Backups of an embedded database of any version are complete or not made at all."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes import run
from tests.shared import SQLITE, Shared


@pytest.fixture
def database(shared: Shared) -> Path:
    """The file of an embedded database with one user, alone in its folder."""
    return Path(shared.with_admin("sqlite").removeprefix(SQLITE))


def test_a_database_of_an_earlier_version_is_copied(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
        connection.commit()
    url, copy = f"sqlite:///{database}", tmp_path / "copy.db"
    assert "run `issue-tracker migrate`" in run("user", "list", database_url=url).stderr

    backed_up = run("backup", str(copy), database_url=url)

    assert (backed_up.stdout, backed_up.stderr) == (f"Backed up to {copy}.\n", "")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT email, version_num FROM users, alembic_version").fetchall() == [
            ("ada@helpdesk.example", "0002")
        ]
    again = run("backup", str(copy), database_url=url)
    assert (again.returncode, again.stderr) == (1, f"issue-tracker: {copy} already exists.\n")


def test_a_copy_that_fails_leaves_nothing_behind(database: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    full = run("backup", str(copies / "copy.db"), database_url=f"sqlite:///{database}", largest_file=128 * 1024)
    assert full.returncode == 1 and full.stderr.startswith("issue-tracker: The copy failed: "), full
    assert full.stderr.count("\n") == 1 and list(copies.iterdir()) == []

    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"This is not a database. " * 200)
    unreadable = run("backup", str(copies / "copy.db"), database_url=f"sqlite:///{garbage}")
    assert (unreadable.returncode, unreadable.stderr.count("\n")) == (1, 1), unreadable
    assert "file is not a database" in unreadable.stderr and list(copies.iterdir()) == []
