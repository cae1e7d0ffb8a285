"""SQLite's data version, which empties the response cache: an unseen change leaves it as it is, unless another process
commits at the same time.
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from issue_tracker.database.engine import Database
from issue_tracker.errors import Unavailable
from issue_tracker.settings import Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "versions.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(Settings(database_url=f"sqlite:///{path}"))
    database.create()
    with database.write() as tx:
        tx.execute(text("CREATE TABLE notes (note TEXT)"))
    yield database
    database.close()


def add(database: Database, note: str, *, unseen: bool) -> None:
    with database.write(unseen=unseen) as tx:
        tx.execute(text("INSERT INTO notes VALUES (:note)"), {"note": note})


def add_to_missing_table(database: Database) -> None:
    with database.write(unseen=True) as tx:
        tx.execute(text("INSERT INTO notes VALUES ('rolled back')"))
        tx.execute(text("INSERT INTO missing VALUES (1)"))


def of_another_process(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("INSERT INTO notes VALUES ('theirs')")
    other.close()


def test_only_unseen_changes_leave_the_version(database: Database, path: Path) -> None:
    start = database.data_version()
    for turn in range(3):
        add(database, f"attempt {turn}", unseen=True)
        assert database.data_version() == start
    with pytest.raises(Unavailable):
        add_to_missing_table(database)
    assert database.data_version() == start

    seen = [start]
    changes: tuple[Callable[[], None], ...] = (
        lambda: add(database, "a change", unseen=False),
        lambda: of_another_process(path),
    )
    for change in changes:
        change()
        seen.append(database.data_version())
        add(database, "an attempt", unseen=True)
        assert database.data_version() == seen[-1]
    assert None not in seen and len(set(seen)) == 3


@pytest.mark.parametrize("read_between", [False, True])
def test_a_commit_of_another_process_next_to_an_unseen_one_changes_the_version(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch, read_between: bool
) -> None:
    start = database.data_version()
    commit = Database._commit

    def followed_by_another(self: Database, connection: Connection, **given: Any) -> None:
        commit(self, connection, **given)
        if read_between:
            database.data_version()
        of_another_process(path)

    monkeypatch.setattr(Database, "_commit", followed_by_another)
    add(database, "an attempt", unseen=True)
    monkeypatch.undo()

    changed = database.data_version()
    assert changed is not None and changed != start
    of_another_process(path)
    assert database.data_version() not in (start, changed)


def test_the_versions_of_two_connections_differ(database: Database) -> None:
    """SQLite counts separately for each connection, so equal numbers of two connections mean nothing."""
    seen = [database.data_version()]
    assert database._data_version is not None
    for _ in range(3):
        database._data_version.close()
        seen.append(database.data_version())
    assert None not in seen and len(set(seen)) == 4
