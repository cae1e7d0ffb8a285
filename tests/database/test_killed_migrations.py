"""Filled databases of every earlier schema are migrated, even if the migration is killed in between."""

import shutil
import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from issue_tracker.database import migrate
from tests.cli.moved import schema_of
from tests.database.filled import fill
from tests.database.killing import COMMIT, Migrating
from tests.shared import SQLITE, Shared

VERSIONS = sorted(path.name.partition("_")[0] for path in (migrate.MIGRATIONS / "versions").glob("[0-9]*_*.py"))[:-1]

TO_THE_END = VERSIONS[13::13]
"""From these versions and the first one, all later migrations also run in one transaction, as in an upgrade over many
versions.
"""

TABLES = {
    True: "SELECT name FROM sqlite_master WHERE type = 'table'",
    False: "SELECT relname FROM pg_class WHERE relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace",
}
COLUMNS = (
    "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,"
    " (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)"
    " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
    " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped"
)
FUNCTIONS = (
    "SELECT proname, prosrc FROM pg_proc JOIN pg_language ON pg_language.oid = prolang"
    " WHERE pronamespace = 'public'::regnamespace AND lanname = 'plpgsql'"
)


def _copied(shared: Shared, url: str) -> str:
    """Copies a database that is not in use."""
    if url.startswith(SQLITE):
        copy = shared.empty("sqlite")
        shutil.copy(url.removeprefix(SQLITE), copy.removeprefix(SQLITE))
        return copy
    return shared.cluster.create_database(f"copy_{uuid.uuid4().hex}", template=url.rpartition("/")[2])


def _schema(connection: Any) -> dict[str, Any]:
    """Returns the parts of the schema."""
    queries = () if isinstance(connection, sqlite3.Connection) else (COLUMNS, FUNCTIONS)
    return {"schema": schema_of(connection)} | {query: _rows(connection, query) for query in queries}


def _content(connection: Any) -> dict[str, Any]:
    """Returns the parts of the schema, the rows of every table, the search index and the sequences."""
    sqlite = isinstance(connection, sqlite3.Connection)
    tables = [table for (table,) in connection.execute(TABLES[sqlite]).fetchall()]
    if sqlite:
        return _schema(connection) | {table: _rows(connection, f"SELECT * FROM {table}") for table in tables}
    content: dict[str, Any] = {table: [] for table in tables}
    # One statement, because each of them takes as long as the rows of most tables.
    all_rows = " UNION ALL ".join(f"SELECT '{table}', ROW({table}.*)::text FROM {table}" for table in tables)
    for table, row in _rows(connection, all_rows):
        content[table].append(row)
    return _schema(connection) | content


def _rows(connection: Any, query: str) -> list[Any]:
    return sorted(connection.execute(query).fetchall(), key=repr)


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    sqlite = url.startswith(SQLITE)
    with closing(sqlite3.connect(url.removeprefix(SQLITE)) if sqlite else psycopg.connect(url)) as connection:
        yield connection


def _content_of(url: str) -> dict[str, Any]:
    with _connected(url) as connection:
        return _content(connection)


@pytest.mark.long
def test_filled_databases_of_all_versions_survive_killed_migrations(
    fresh_database_url: str, migrated_url: str, shared: Shared, migrating: Migrating
) -> None:
    """One database advances version by version, and gets new rows in each, so that the rows of every version pass all
    later migrations. From some versions, all of them are also killed and repeated.
    """
    url, rows = fresh_database_url, Counter[str]()
    migrating.to_the_end(url, to=VERSIONS[0])
    for version, following in pairwise((*VERSIONS, migrate.head())):
        with _connected(url) as connection:
            rows += fill(connection)
        if version in TO_THE_END:
            copy = _copied(shared, url)
            _assert_killed_without_effect(copy, COMMIT, migrating)
            _assert_current(copy, migrated_url, rows, migrating)
            shared.drop(copy)
        migrating.to_the_end(url, to=following)
    _assert_current(url, migrated_url, rows, migrating)


def _assert_killed_without_effect(url: str, moment: int | str, migrating: Migrating) -> None:
    """Kills the migration to the current version. If one of them had committed, its effect would remain."""
    before = _content_of(url)
    migrating.killed(url, moment)
    assert _content_of(url) == before


def _assert_current(url: str, migrated_url: str, rows: Counter[str], migrating: Migrating) -> None:
    """Migrates to the current version, and checks the schema and the numbers of rows."""
    migrating.to_the_end(url)
    found = _content_of(url)
    with _connected(migrated_url) as connection:
        assert found.items() >= _schema(connection).items()
        assert found["alembic_version"] == _content(connection)["alembic_version"]
    # Sign-in attempts are counted from zero after migration 0010.
    kept = {table: count for table, count in rows.items() if table != "sign_in_failures"}
    assert {table: len(found[table]) for table in kept} == kept


def test_migrations_that_were_killed_halfway_have_the_effect_of_uninterrupted_ones(
    fresh_database_url: str, migrated_url: str, shared: Shared, migrating: Migrating
) -> None:
    migrating.to_the_end(fresh_database_url, to=VERSIONS[0])
    with _connected(fresh_database_url) as connection:
        rows = fill(connection)
    uninterrupted = _copied(shared, fresh_database_url)
    statements = migrating.to_the_end(uninterrupted)
    for moment in (statements // 2, COMMIT):
        _assert_killed_without_effect(fresh_database_url, moment, migrating)
    _assert_current(fresh_database_url, migrated_url, rows, migrating)
    assert _content_of(fresh_database_url) == _content_of(uninterrupted)
    shared.drop(uninterrupted)
