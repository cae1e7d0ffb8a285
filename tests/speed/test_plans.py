"""The statements of the hot paths use indexes: no table that grows is ever read as a whole for a page."""

import re
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
from issue_tracker.issues import operations, queries, statements
from issue_tracker.issues.queries import Filters, Order, Position
from issue_tracker.status import OPEN, Status

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
    """The plan of a statement with these values, as the database tells it."""
    compiled = prepared._for(tx)
    prefix = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
    rows = driver(tx).execute(prefix + compiled.sql, compiled.parameters(dict(values))).fetchall()
    return "\n".join(str(row[-1]) for row in rows)


def scans(tx: Connection, plan: str) -> list[str]:
    """The tables that the plan reads as a whole."""
    if tx.dialect.name == "postgresql":
        return [table for table in re.findall(r"Seq Scan on (\w+)", plan) if table in GROWING]
    found = re.findall(r"SCAN (\w+)(?! USING (?:COVERING )?INDEX)(?!\w)", plan)
    return [table for table in found if table in GROWING]


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS.keys())
@pytest.mark.parametrize("paged", [False, True], ids=["first page", "later page"])
def test_a_page_by_name_reads_no_table_as_a_whole(large: Database, filters: Filters, paged: bool) -> None:
    with large.read() as tx:
        after = Position("printer", 1) if paged else None
        shape, values = queries._asked(tx, filters)
        shape = statements.Shape(
            term=shape.term, statuses=shape.statuses, companies=shape.companies, since=shape.since, after=paged
        )
        values |= {"limit": 51, "after": "printer", "after_id": 1}
        plan = explain(tx, statements.rows(shape), values)
        assert scans(tx, plan) == [], plan
        assert queries.list_rows(tx, command_line("test"), filters, after=after, limit=51)


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS.keys())
def test_a_total_reads_no_table_as_a_whole(large: Database, filters: Filters) -> None:
    with large.read() as tx:
        shape, values = queries._asked(tx, filters)
        plan = explain(tx, statements.count(shape), values)
        assert scans(tx, plan) == [], plan


@pytest.mark.parametrize("by", ["updated_at", "created_at"])
@pytest.mark.parametrize("descending", [False, True])
def test_a_page_by_time_reads_no_table_as_a_whole(large: Database, by: str, descending: bool) -> None:
    with large.read() as tx:
        shape = statements.Shape(by=by, descending=descending)
        plan = explain(tx, statements.rows(shape), {"limit": 51})
        assert scans(tx, plan) == [], plan
        assert len(queries.list_rows(tx, command_line("test"), Filters(), Order(by, descending), limit=51)) == 51


def test_what_every_request_looks_up_is_found_by_index(large: Database) -> None:
    at = datetime.now(UTC)
    hot: dict[str, tuple[Prepared, dict[str, Any]]] = {
        "session": (sessions._by_token, {"token_hash": b"x" * 32}),
        "token": (tokens._by_key, {"key": "x" * 16}),
        "state": (log._state, {}),
        "issue by name": (queries._by_name[False], {"which": "printer"}),
        "issue to change": (queries._by_name[True], {"which": "printer"}),
        "status held": (operations._held, {"issue_id": 5, "company_id": 7}),
        "issue touched": (operations._touch, {"issue_id": 5, "at": at}),
    }
    with large.write() as tx:
        for what, (prepared, values) in hot.items():
            plan = explain(tx, prepared, values)
            assert scans(tx, plan) == [], f"{what}:\n{plan}"
