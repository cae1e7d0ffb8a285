"""Filled databases of every earlier schema are migrated, even if the migration is killed in between."""

import shutil
import sqlite3
import uuid
from contextlib import closing
from typing import Any

import psycopg
import pytest

from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings
from tests.cli.moved import schema
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


def _content(url: str) -> dict[str, list[Any]]:
    """Returns the rows of every table, the search index, the sequences, and the parts of the schema."""
    found: dict[str, list[Any]] = {"schema": schema(url)}
    with closing(_connect(url)) as connection:
        for query in () if url.startswith(SQLITE) else (COLUMNS, FUNCTIONS):
            found[query] = sorted(connection.execute(query).fetchall(), key=repr)
        for (table,) in connection.execute(TABLES[url.startswith(SQLITE)]).fetchall():
            found[table] = sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
    return found


def _connect(url: str) -> Any:
    return sqlite3.connect(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else psycopg.connect(url)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_killed_migration_changes_nothing_and_can_be_repeated(
    fresh_database_url: str, shared: Shared, migrating: Migrating, version: str
) -> None:
    database = Database(Settings(database_url=fresh_database_url))
    migrate.upgrade(database, to=version)
    with database.write() as tx:
        rows = fill(tx)
    database.close()
    uninterrupted = _copied(shared, fresh_database_url)
    before = _content(fresh_database_url)

    statements = migrating.to_the_end(uninterrupted)
    # The last statement is the same for all versions, so only the longest migration is also killed after it.
    for moment in (statements // 2, statements) if version == VERSIONS[0] else (statements // 2,):
        migrating.killed_after(fresh_database_url, moment)
        assert _content(fresh_database_url) == before
    migrating.to_the_end(fresh_database_url)

    after = _content(fresh_database_url)
    assert after == _content(uninterrupted)
    assert after["alembic_version"] == [(migrate.head(),)]
    # Sign-in attempts are counted from zero after migration 0010.
    kept = {table: count for table, count in rows.items() if table != "sign_in_failures"}
    assert {table: len(after[table]) for table in kept} == kept
