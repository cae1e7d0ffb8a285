"""Presets of a server, a database, a role, the environment or the URL do not change the behaviour of the product."""

import uuid
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import text

from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings, SettingsError
from tests.database.sessions import PRESETS, assert_works, execute, name_of
from tests.postgresql import Cluster
from tests.processes import given_admin, run, serve

on_postgresql = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


@on_postgresql
def test_presets_of_the_database_change_nothing(fresh_database_url: str, tmp_path: Path) -> None:
    name = name_of(fresh_database_url)
    # Behind a pooler, this one would end connections of the pooler, not of the product. A new connection must be fast
    # enough to change it in its first statement, also on a busy machine.
    presets = PRESETS | {"idle_session_timeout": "1s"}
    execute(fresh_database_url, *(f"ALTER DATABASE \"{name}\" SET {key} = '{value}'" for key, value in presets.items()))
    given_admin(fresh_database_url)
    with serve(fresh_database_url, tmp_path / "server.log") as server:
        client = server.sign_in()
        assert_works(client)
        with client.stream("GET", "/api/events/stream") as response:
            lines = response.iter_lines()
            next(lines)
            _wait_until_idle_connections_end(fresh_database_url)
            client.call("POST", "/api/companies", 201, json={"name": "After a pause"})
            assert any("After a pause" in line for line in lines)
    assert "unavailable" not in (tmp_path / "server.log").read_text()


def _wait_until_idle_connections_end(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as idle:
        notifications = idle.notifies(timeout=60)
        with pytest.raises(psycopg.OperationalError, match="closed the connection"):
            next(notifications)


@on_postgresql
def test_variables_of_the_environment_change_nothing(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {
        "PGDATESTYLE": "German",
        "PGTZ": "Asia/Kolkata",
        "PGCLIENTENCODING": "LATIN1",
        "PGOPTIONS": "-c statement_timeout=1 -c default_transaction_read_only=on",
        "PGAPPNAME": "nothing",
        "PGCONNECT_TIMEOUT": "1",
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(variable, value)
    given_admin(fresh_database_url)
    with serve(fresh_database_url, tmp_path / "server.log") as server:
        assert_works(server.sign_in())


@on_postgresql
def test_options_in_the_url_can_select_a_schema(fresh_database_url: str, tmp_path: Path) -> None:
    """The settings that the product relies on override those of the URL; the others apply."""
    execute(fresh_database_url, "CREATE SCHEMA tracker", "CREATE EXTENSION pg_trgm SCHEMA public")
    options = quote("-c search_path=tracker,public --datestyle=German -cstatement_timeout=1")
    url = f"{fresh_database_url}?options={options}&application_name=helpdesk"
    given_admin(url)
    with serve(url, tmp_path / "server.log") as server:
        assert_works(server.sign_in())
        with psycopg.connect(fresh_database_url) as connection:
            used = connection.execute(
                "SELECT DISTINCT application_name FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert used.fetchall() == [("helpdesk",)]
            tables = connection.execute("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'issues'")
            assert tables.fetchall() == [("tracker",)]


@on_postgresql
@pytest.mark.parametrize("place", ["database", "url"])
@pytest.mark.parametrize(("preset", "used"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
def test_a_change_is_durable_when_the_response_arrives(
    fresh_database_url: str, place: str, preset: str, used: str
) -> None:
    """The administrator decides what standbys must have done by then."""
    url = fresh_database_url
    if place == "database":
        execute(url, f'ALTER DATABASE "{name_of(url)}" SET synchronous_commit = {preset}')
    else:
        url += f"?options={quote(f'-c synchronous_commit={preset}')}"
    database = Database(Settings(database_url=url))
    try:
        with database.write() as tx:
            assert tx.execute(text("SHOW synchronous_commit")).scalar_one() == used
    finally:
        database.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://host/db?optoins=x", "ISSUE_TRACKER_DATABASE_URL cannot be read: invalid URI query parameter"),
        ("postgresql://u:hunter2%zz@host/db", "ISSUE_TRACKER_DATABASE_URL cannot be read."),
        ("postgresql://host/db?options=-B", "ISSUE_TRACKER_DATABASE_URL: options must be like -c search_path=tracker."),
    ],
)
def test_an_invalid_url_is_rejected_without_showing_its_password(url: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Database(Settings(database_url=url))
    assert str(refused.value).startswith(sentence) and "hunter2" not in str(refused.value)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_migrate_refuses_another_encoding(cluster: Cluster, encoding: str) -> None:
    name = f"tests_{uuid.uuid4().hex}"
    execute(cluster.url("postgres"), f"CREATE DATABASE \"{name}\" ENCODING '{encoding}' TEMPLATE template0")
    refused = run("migrate", database_url=cluster.url(name))
    assert (refused.returncode, refused.stderr) == (
        1,
        f"issue-tracker: The database has the encoding {encoding}; create one with ENCODING 'UTF8'.\n",
    )


@on_postgresql
@pytest.mark.parametrize("table", ["users", "alembic_version"])
def test_migrate_refuses_the_database_of_another_program(fresh_database_url: str, table: str) -> None:
    execute(
        fresh_database_url,
        f"CREATE TABLE {table} (version_num text)",
        f"INSERT INTO {table} VALUES ('8f3a2c')",
    )
    refused = run("migrate", database_url=fresh_database_url)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert refused.stderr.startswith("issue-tracker: This database belongs to another program")
