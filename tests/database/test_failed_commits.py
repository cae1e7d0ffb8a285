"""A failed commit is rolled back and does not affect later transactions."""

from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import Connection, select, text

from issue_tracker.database.commit_topics import CommitTopic, notify_on_commit
from issue_tracker.database.driver import driver
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import issues
from issue_tracker.errors import Invalid, Unavailable
from issue_tracker.settings import Settings
from tests.database.faults import assert_unavailable, create
from tests.world import World

REFUSE_AT_COMMIT = {
    # A deferred foreign key to a row that does not exist is checked at the commit.
    "sqlite": (
        "CREATE TABLE nowhere (id INTEGER PRIMARY KEY)",
        "CREATE TABLE refused (id INTEGER REFERENCES nowhere DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER refuse AFTER INSERT ON issues WHEN substr(new.name, 1, 7) = 'Refused'"
        " BEGIN INSERT INTO refused VALUES (1); END",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'refused at the commit' USING ERRCODE = '{code}'; END $$",
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON issues DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW WHEN (substr(new.name, 1, 7) = 'Refused') EXECUTE FUNCTION refuse()",
    ),
}
UNDO = {
    "sqlite": ("DROP TRIGGER refuse", "DROP TABLE refused", "DROP TABLE nowhere"),
    "postgresql": ("DROP TRIGGER refuse ON issues", "DROP FUNCTION refuse()"),
}

MORE_THAN_CONNECTIONS = 20


def execute(tx: Connection, statements: tuple[str, ...], **values: str) -> None:
    for statement in statements:
        tx.exec_driver_sql(statement.format(**values) if values else statement)


@pytest.mark.parametrize(("code", "status"), [("23503", 400), ("53100", 503)])
def test_a_failed_commit_has_no_effect(world: World, engine: str, code: str, status: int) -> None:
    """More commits fail than there are connections. On SQLite, without a full disk, only a constraint can make a commit
    fail.
    """
    if engine == "sqlite" and status != 400:
        code, status = "", 400
    client = world.client("tess")
    with world.database.write() as tx:
        execute(tx, REFUSE_AT_COMMIT[engine], **({"code": code} if engine == "postgresql" else {}))
    try:
        for number in range(MORE_THAN_CONNECTIONS):
            refused = create(client, f"Refused {number}")
            assert refused.status_code == status, refused.text
            if status == 503:
                assert_unavailable(refused, "refused at the commit")
    finally:
        with world.database.write() as tx:
            execute(tx, UNDO[engine])
    for number in range(MORE_THAN_CONNECTIONS):
        assert create(client, f"Stored {number}").status_code == 201
    assert client.call("GET", "/api/issues?limit=1", 200)["total"] == MORE_THAN_CONNECTIONS


@pytest.fixture
def database(migrated_url: str) -> Database:
    """A separate database, with a single connection for each kind of transaction."""
    return Database(Settings(database_url=migrated_url, threads=1))


def test_a_failed_commit_sends_no_notification(database: Database, engine: str) -> None:
    called: list[CommitTopic] = []
    database.on_commit(CommitTopic.EVENTS, lambda: called.append(CommitTopic.EVENTS))
    with database.write() as tx:
        execute(tx, REFUSE_AT_COMMIT[engine], **({"code": "23503"} if engine == "postgresql" else {}))
    insert = (
        "INSERT INTO issues (name, name_key, description_key, revision, created_at, updated_at) VALUES"
        " ('{name}', '{name}', '', 1, '2026-01-01T00:00:00.000000+00:00', '2026-01-01T00:00:00.000000+00:00')"
    )

    def refused() -> None:
        with database.write() as tx:
            notify_on_commit(tx, CommitTopic.EVENTS)
            tx.execute(text(insert.format(name="Refused")))

    for _ in range(MORE_THAN_CONNECTIONS):
        with pytest.raises(Invalid):
            refused()
    with database.write() as tx:
        tx.execute(text(insert.format(name="Stored")))
    assert called == []
    with database.write() as tx:
        notify_on_commit(tx, CommitTopic.EVENTS)
    assert called == [CommitTopic.EVENTS]
    with database.read() as tx:
        assert tx.execute(select(issues.c.name)).scalars().all() == ["Stored"]
    database.close()


def test_a_transaction_with_an_ignored_failure_is_not_acknowledged(database: Database, engine: str) -> None:
    """In this case PostgreSQL rolls back on COMMIT without an error; SQLite may have rolled back at the failure."""
    broken = "ROLLBACK" if engine == "sqlite" else "SELECT 1 / 0"

    def ignoring() -> None:
        with database.write() as tx:
            tx.execute(text("INSERT INTO setup_tokens VALUES ('1', '2026-01-01T00:00:00.000000+00:00')"))
            with suppress(psycopg.errors.DivisionByZero):
                driver(tx).execute(broken)

    for _ in range(MORE_THAN_CONNECTIONS):
        with pytest.raises(Unavailable):
            ignoring()
    with database.write() as tx:
        assert tx.execute(text("SELECT count(*) FROM setup_tokens")).scalar_one() == 0
    database.close()
