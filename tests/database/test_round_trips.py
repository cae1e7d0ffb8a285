"""Statements on PostgreSQL share round trips, and neither errors nor lost connections affect the next transaction."""

from typing import Any

import psycopg
import pytest
from sqlalchemy import BigInteger, bindparam, cast, literal, literal_column, select, text, update

from issue_tracker.database.driver import driver
from issue_tracker.database.postgresql_connection import PREPARED
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import issues
from issue_tracker.errors import Unavailable
from tests.waiting import eventually
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

_number = bindparam("number", type_=BigInteger)
given = Prepared(lambda _: select(cast(_number, BigInteger).label("number")))
inverse = Prepared(lambda _: select((literal(100, BigInteger) / _number).label("inverse")))


def test_waiting_statements_are_sent_with_the_next_one(world: World) -> None:
    with world.database.read() as tx:
        first, second = given.send(tx, number=1), given.send(tx, number=2)
        assert given.rows(tx, number=3)[0].number == 3
        assert (second.fetchall(), first.fetchone()) == ([(2,)], (1,))
        last = given.send(tx, number=4)
        assert last.fetchall() == [(4,)]
        forgotten = given.send(tx, number=5)
    with pytest.raises(psycopg.InterfaceError, match="has ended"):
        forgotten.fetchall()


def test_an_error_of_a_waiting_statement_ends_only_its_transaction(world: World) -> None:
    def read() -> None:
        with world.database.read() as tx:
            inverse.send(tx, number=0)
            given.scalar(tx, number=1)

    def write_on() -> None:
        with world.database.write() as tx:
            inverse.send(tx, number=0)
            with pytest.raises(psycopg.errors.DivisionByZero):
                given.scalar(tx, number=1)

    with pytest.raises(psycopg.errors.DivisionByZero):
        read()
    with pytest.raises(Unavailable):
        write_on()
    with world.database.read() as tx:
        assert inverse.scalar(tx, number=5) == 20


def test_a_handler_that_raises_before_its_first_statement_keeps_the_connection(world: World) -> None:
    def server() -> Any:
        with world.database.read() as tx:
            return tx.execute(text("SELECT pg_backend_pid()")).scalar_one()

    before = server()
    for transaction in (world.database.read, world.database.write):
        with pytest.raises(ZeroDivisionError), transaction():
            raise ZeroDivisionError
        with transaction():
            pass
    assert server() == before


def test_a_change_that_waits_is_stored(world: World) -> None:
    issue_id = world.given_issue("Fault", description="old")
    change = Prepared(
        lambda _: update(issues).values(description="new").where(issues.c.issue_id == bindparam("id", type_=BigInteger))
    )
    with world.database.write() as tx:
        change.send(tx, id=issue_id)
    with world.database.read() as tx:
        assert tx.execute(select(issues.c.description)).scalar_one() == "new"


def test_the_end_of_a_read_is_not_awaited_but_happens(world: World) -> None:
    with world.database.read() as tx:
        pid = given.scalar(tx, number=1) and tx.execute(text("SELECT pg_backend_pid()")).scalar_one()

    def idle() -> bool:
        with psycopg.connect(world.server.settings.database_url) as other:
            query = "SELECT state FROM pg_stat_activity WHERE pid = %s"
            return other.execute(query, [pid]).fetchone() == ("idle",)

    eventually(idle)


def test_a_lost_connection_is_noticed_with_its_reason(world: World) -> None:
    def lose() -> None:
        with world.database.read() as tx:
            pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with psycopg.connect(world.server.settings.database_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
            given.scalar(tx, number=1)

    with pytest.raises(Unavailable) as caught:
        lose()
    assert "terminating connection" in str(caught.value.reason)
    with world.database.read() as tx:
        assert given.scalar(tx, number=1) == 1


def test_prepared_statements_outlive_a_rollback_to_a_savepoint(world: World) -> None:
    """psycopg then removes all prepared statements of the server, also those that it does not know."""
    with world.database.write() as tx:
        for _ in range(10):
            driver(tx).execute("SELECT %s::int", [1])
        assert given.scalar(tx, number=1) == 1
        with pytest.raises(ZeroDivisionError), tx.begin_nested():
            raise ZeroDivisionError
        assert given.scalar(tx, number=2) == 2


def test_a_connection_does_not_collect_prepared_statements(world: World) -> None:
    with world.database.read() as tx:
        for number in range(2 * PREPARED):
            one = Prepared(lambda _, number=number: select(literal_column(str(number))))  # type: ignore[misc]  # defaults have no type
            assert one.scalar(tx) == number
        query = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'issue_tracker_%'"
        assert driver(tx).execute(query).fetchone()[0] <= PREPARED + 1
