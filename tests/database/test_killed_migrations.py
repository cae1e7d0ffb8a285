"""Filled databases of every earlier schema are migrated, even if the migration is killed in between."""

import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from issue_tracker.database import migrate
from tests.cli.moved import schema_of
from tests.database.filled import fill
from tests.database.killing import Migrating
from tests.shared import SQLITE, Shared

VERSIONS = sorted(path.name.partition("_")[0] for path in (migrate.MIGRATIONS / "versions").glob("[0-9]*_*.py"))[:-1]

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
    tables = connection.execute(TABLES[isinstance(connection, sqlite3.Connection)]).fetchall()
    return _schema(connection) | {table: _rows(connection, f"SELECT * FROM {table}") for (table,) in tables}


def _rows(connection: Any, query: str) -> list[Any]:
    return sorted(connection.execute(query).fetchall(), key=repr)


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    sqlite = url.startswith(SQLITE)
    with closing(sqlite3.connect(url.removeprefix(SQLITE)) if sqlite else psycopg.connect(url)) as connection:
        yield connection


@pytest.mark.long
def test_a_killed_migration_changes_nothing_and_can_be_repeated(
    fresh_database_url: str, migrated_url: str, shared: Shared, migrating: Migrating
) -> None:
    """Each migration is killed at its end, before those that follow; all of them also halfway and before the commit."""
    empty = fresh_database_url
    with _connected(migrated_url) as connection:
        current_schema = _schema(connection)
    migrating.to_the_end(empty, to=VERSIONS[0])
    for version, following in pairwise((*VERSIONS, migrate.head())):
        filled = _copied(shared, empty)
        with _connected(filled) as connection:
            rows = fill(connection)
            before = _content(connection)
        moments = [migrating.to_the_end(empty, to=following)]
        if version == VERSIONS[0]:
            uninterrupted = _copied(shared, filled)
            statements = migrating.to_the_end(uninterrupted)
            moments += [statements // 2, statements]
        for moment in moments:
            migrating.killed_after(filled, moment)
            with _connected(filled) as connection:
                assert _content(connection) == before, version
        migrating.to_the_end(filled)

        with _connected(filled) as connection:
            after = _content(connection)
        assert after.items() >= current_schema.items(), version
        assert after["alembic_version"] == [(migrate.head(),)], version
        # Sign-in attempts are counted from zero after migration 0010.
        kept = {table: count for table, count in rows.items() if table != "sign_in_failures"}
        assert {table: len(after[table]) for table in kept} == kept, version
        if version == VERSIONS[0]:
            with _connected(uninterrupted) as connection:
                assert after == _content(connection)
            shared.drop(uninterrupted)
        shared.drop(filled)
