"""Prepared statements: rows whose attributes are the selected columns, on both databases."""

import pytest
from sqlalchemy import bindparam, func, select, text

from issue_tracker.database.driver import driver
from issue_tracker.database.prepared import Prepared, instant
from issue_tracker.database.tables import assignments, companies, issues
from issue_tracker.errors import Invalid
from tests.world import World


def test_rows_are_read_by_name(world: World) -> None:
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "resolved"})
    statement = Prepared(
        lambda _: (
            select(
                companies.c.name,
                issues.c.name.label("issue_name"),
                assignments.c.status,
                assignments.c.updated_at,
                func.length(companies.c.name).label("length"),
            )
            .join(assignments, assignments.c.company_id == companies.c.company_id)
            .join(issues, issues.c.issue_id == assignments.c.issue_id)
            .where(issues.c.name == bindparam("which"))
            .order_by(companies.c.name)
        )
    )
    with world.database.read() as tx:
        for _ in range(2):
            rows = statement.rows(tx, which="Fault")
            assert [(row.name, row.issue_name, row.status, row.length) for row in rows] == [
                ("Contoso", "Fault", "new", 7),
                ("Fabrikam", "Fault", "resolved", 8),
            ]
            assert instant(rows[0].updated_at).tzinfo is not None
        assert statement.row(tx, which="Fault").name == "Contoso"
        assert statement.rows(tx, which="nothing") == []
        assert statement.row(tx, which="nothing") is None


def test_a_column_without_a_name_is_rejected(world: World) -> None:
    unnamed = Prepared(lambda _: select(companies.c.company_id, companies.c.company_id.label("company_id")))
    with world.database.read() as tx, pytest.raises(ValueError, match="needs a name of its own"):
        unnamed.rows(tx)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_statements_remain_prepared_after_a_refused_change(world: World) -> None:
    """Otherwise PostgreSQL would plan the statements of the next requests again."""

    def prepared() -> set[str]:
        with world.database.read() as tx:
            return set(driver(tx).execute("SELECT statement FROM pg_prepared_statements").fetchall())

    for _ in range(10):
        world.session_token("ada")
    before = prepared()
    assert len(before) >= 2
    with pytest.raises(Invalid), world.database.write():
        raise Invalid("A rule refuses this change.")
    with pytest.raises(Exception, match="division by zero"), world.database.write() as tx:
        tx.execute(text("SELECT 1 / 0"))
    assert before <= prepared()
    assert world.client("ada").call("GET", "/api/auth/session", 200)
