"""The statements of the hot paths use indexes: no table that grows is ever read as a whole for a page."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from bench.dataset import site
from sqlalchemy import Connection

from issue_tracker.actor import command_line
from issue_tracker.auth import sessions, tokens
from issue_tracker.database.engine import Database
from issue_tracker.database.prepared import Prepared, driver
from issue_tracker.events.queries import log
from issue_tracker.issues import assignments
from issue_tracker.issues.queries import issue as issue_queries
from issue_tracker.issues.queries.filters import Filters, Order, Position
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.status import OPEN, Status

ACTOR = command_line("test")
LISTS = {
    "all": Filters(),
    "a company": Filters(company_ids=(7,)),
    "two companies": Filters(company_ids=(7, 9)),
    "a status": Filters(statuses=(Status.MONITORING,)),
    "what is open": Filters(statuses=OPEN),
    "a company's new ones": Filters(company_ids=(7,), statuses=(Status.NEW,)),
    "a search": Filters(search=site(11)),
    "a search among the open ones": Filters(search=site(11), statuses=OPEN),
}
GROWING = ("issues", "assignments", "events", "users", "sessions", "tokens", "companies")


def explain(tx: Connection, prepared: Prepared, values: dict[str, Any]) -> str:
    """The plan of a statement with these values, as the database describes it."""
    compiled = prepared._for(tx)
    prefix = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
    rows = driver(tx).execute(prefix + compiled.sql, compiled.parameters(dict(values))).fetchall()
    return "\n".join(str(row[-1]) for row in rows)


@contextmanager
def plans(tx: Connection) -> Iterator[list[str]]:
    """The plans of all prepared statements that are executed in the block."""
    found: list[str] = []
    run = Prepared.run

    def explained(prepared: Prepared, tx: Connection, **values: Any) -> Any:
        found.append(explain(tx, prepared, values))
        return run(prepared, tx, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prepared, "run", explained)
        yield found


def scans(tx: Connection, plan: str) -> list[str]:
    """The tables that the plan reads as a whole."""
    if tx.dialect.name == "postgresql":
        return [table for table in re.findall(r"Seq Scan on (\w+)", plan) if table in GROWING]
    found = re.findall(r"SCAN (\w+)(?! USING (?:COVERING )?INDEX)(?!\w)", plan)
    return [table for table in found if table in GROWING]


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS.keys())
@pytest.mark.parametrize("after", [None, Position("printer", 1)], ids=["first page", "later page"])
def test_a_page_by_name_reads_no_table_as_a_whole(large: Database, filters: Filters, after: Position | None) -> None:
    with large.read() as tx:
        found = IssueList(tx, ACTOR, filters, after=after)
        with plans(tx) as executed:
            rows = found.rows(51)
        assert found.load(rows)
        assert [scans(tx, plan) for plan in executed] == [[]], executed


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS.keys())
def test_a_total_reads_no_table_as_a_whole(large: Database, filters: Filters) -> None:
    with large.read() as tx, plans(tx) as executed:
        assert IssueList(tx, ACTOR, filters).count()
    assert [scans(tx, plan) for plan in executed] == [[]], executed


@pytest.mark.parametrize("by", ["updated_at", "created_at"])
@pytest.mark.parametrize("descending", [False, True])
def test_a_page_by_time_reads_no_table_as_a_whole(large: Database, by: str, descending: bool) -> None:
    with large.read() as tx, plans(tx) as executed:
        assert len(IssueList(tx, ACTOR, Filters(), Order(by, descending)).rows(51)) == 51
    assert [scans(tx, plan) for plan in executed] == [[]], executed


def test_what_every_request_looks_up_is_found_by_index(large: Database) -> None:
    at = datetime.now(UTC)
    hot: dict[str, tuple[Prepared, dict[str, Any]]] = {
        "session": (sessions._by_token, {"token_hash": b"x" * 32}),
        "token": (tokens._by_key, {"key": "x" * 16}),
        "state": (log._state, {}),
        "issue by name": (issue_queries._head("name_key", lock=False, limited=False), {"value": "printer"}),
        "issue to change": (issue_queries._head("name_key", lock=True, limited=False), {"value": "printer"}),
        "status of a company": (issue_queries._status, {"issue_id": 5, "company_id": 7}),
        "issue touched": (assignments._touch, {"issue_id": 5, "at": at}),
    }
    with large.write() as tx:
        for what, (prepared, values) in hot.items():
            plan = explain(tx, prepared, values)
            assert scans(tx, plan) == [], f"{what}:\n{plan}"
