"""Prepared statements: rows whose attributes are the selected columns, on both databases."""

import pytest
from sqlalchemy import bindparam, func, select

from issue_tracker.database.prepared import Prepared, instant
from issue_tracker.database.tables import assignments, companies, issues
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
