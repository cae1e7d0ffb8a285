"""The statements of frequent requests use indexes: no growing table is ever scanned for a page."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from bench.dataset import site
from sqlalchemy import Connection

from issue_tracker.actor import CompanyAccess, command_line
from issue_tracker.auth import sessions, token_use
from issue_tracker.database.driver import driver
from issue_tracker.database.engine import Database
from issue_tracker.database.prepared import Prepared
from issue_tracker.events.queries import log
from issue_tracker.issues import assignments
from issue_tracker.issues.queries import issue as issue_queries
from issue_tracker.issues.queries.attention_counts import count_attention
from issue_tracker.issues.queries.filters import Filters, Order, Position
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.queries.outages import list_longest_outages
from issue_tracker.issues.queries.owners import list_changed_owners, list_technicians
from issue_tracker.issues.queries.similar import list_similar_issues
from issue_tracker.status import OPEN, Status
from tests.events.statements import statements

pytestmark = pytest.mark.together

ACTOR = command_line("test")
LISTS = {
    "all": Filters(),
    "a company": Filters(company_ids=(7,)),
    "two companies": Filters(company_ids=(7, 9)),
    "three companies": Filters(company_ids=(7, 9, 11)),
    "a status": Filters(statuses=(Status.MONITORING,)),
    "what is open": Filters(statuses=OPEN),
    "three statuses": Filters(statuses=(Status.NEW, Status.MONITORING, Status.CLOSED)),
    "a company's new ones": Filters(company_ids=(7,), statuses=(Status.NEW,)),
    "a search": Filters(search=site(11)),
    "a search among the open ones": Filters(search=site(11), statuses=OPEN),
}
GROWING = ("issues", "assignments", "events", "users", "sessions", "tokens", "companies")


def plan_of(tx: Connection, sql: str, parameters: Any) -> str:
    """Returns the plan of a statement with these parameters, as the database describes it."""
    if tx.dialect.name == "sqlite":
        rows = driver(tx).execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()
    elif isinstance(parameters, dict):
        rows = driver(tx).execute(f"EXPLAIN {sql}", parameters).fetchall()
    else:
        rows = driver(tx).run(f"EXPLAIN {sql}".encode(), parameters).fetchall()
    return "\n".join(str(row[-1]) for row in rows)


def scans(tx: Connection, plan: str) -> list[str]:
    """Returns the tables that the plan scans."""
    if tx.dialect.name == "postgresql":
        return [table for table in re.findall(r"Seq Scan on (\w+)", plan) if table in GROWING]
    found = re.findall(r"SCAN (\w+)(?! USING (?:COVERING )?INDEX)(?!\w)", plan)
    return [table for table in found if table in GROWING]


def assert_no_scans(tx: Connection, executed: list[tuple[str, Any]], *, small: str = "") -> None:
    """Checks that one statement was executed and that it scans no table, except for one that is `small` here."""
    [(sql, parameters)] = executed
    plan = plan_of(tx, sql, parameters)
    assert [table for table in scans(tx, plan) if table != small] == [], plan


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS.keys())
@pytest.mark.parametrize("after", [None, Position("badge reader", 1)], ids=["first page", "later page"])
def test_a_page_by_name_scans_no_table(large: Database, filters: Filters, after: Position | None) -> None:
    with large.read() as tx:
        found = IssueList(tx, ACTOR, filters, after=after)
        with statements(tx) as executed:
            rows = found.rows(51)
        assert found.load(rows)
        assert_no_scans(tx, executed)


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS.keys())
def test_a_page_with_limited_access_scans_no_table(large: Database, filters: Filters) -> None:
    some = msgspec.structs.replace(ACTOR, company_access=CompanyAccess(frozenset(range(7, 27))))
    with large.read() as tx:
        found = IssueList(tx, some, filters)
        for read in (lambda: found.rows(51), found.count):
            with statements(tx) as executed:
                assert read()
            # The range of each company may be read by a separate statement.
            for statement in executed:
                assert_no_scans(tx, [statement])
        with statements(tx) as executed:
            found.load(found.rows(51))
        # The owners of issues are a few users here, whom PostgreSQL reads at once.
        assert_no_scans(tx, [each for each in executed if "owner_name" in each[0]], small="users")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_owners_are_found_by_what_they_own(large: Database) -> None:
    """According to its statistics, SQLite would read all assignments of the visible companies for each user."""
    some = msgspec.structs.replace(ACTOR, company_access=CompanyAccess(frozenset(range(7, 27))))
    with large.read() as tx:
        with statements(tx) as executed:
            list_changed_owners(tx, some, None)
            list_technicians(tx, some)
            list_technicians(tx, ACTOR)
        plans = [plan_of(tx, sql, parameters) for sql, parameters in executed if "owner_id" in sql]
    assert len(plans) == 3
    for plan in plans:
        assert "INDEX ix_issues_owner_id_name_key (owner_id=?)" in plan and "(company_id=?)" not in plan, plan
        assert "INDEX ix_assignments_owner_id (owner_id=?)" in plan, plan


def test_the_last_visible_event_is_found_in_the_index(large: Database) -> None:
    with large.read() as tx:
        with statements(tx) as executed:
            assert log.get_last_event_id(tx, CompanyAccess(frozenset({7, 9})))
        for statement in executed:
            assert_no_scans(tx, [statement])


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS.keys())
def test_a_total_scans_no_table(large: Database, filters: Filters) -> None:
    with large.read() as tx:
        with statements(tx) as executed:
            assert IssueList(tx, ACTOR, filters).count()
        assert_no_scans(tx, executed)


@pytest.mark.parametrize("by", ["updated_at", "created_at"])
@pytest.mark.parametrize("descending", [False, True])
def test_a_page_by_time_scans_no_table(large: Database, by: str, descending: bool) -> None:
    with large.read() as tx:
        with statements(tx) as executed:
            assert len(IssueList(tx, ACTOR, Filters(), Order(by, descending)).rows(51)) == 51
        assert_no_scans(tx, executed)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(company_ids=(7,)),
        # Few enough matches for PostgreSQL to prefer the index to reading all of this small table.
        Filters(company_ids=(7, 9), statuses=OPEN[:1]),
        Filters(statuses=OPEN),
        Filters(overdue=True),
    ],
    ids=["a company", "two companies’ new ones", "what is open", "overdue"],
)
@pytest.mark.parametrize("access", [ACTOR.company_access, CompanyAccess(frozenset(range(7, 27)))], ids=["all", "some"])
def test_the_order_by_attention_scans_no_table(large: Database, filters: Filters, access: CompanyAccess) -> None:
    actor = msgspec.structs.replace(ACTOR, company_access=access)
    with large.read() as tx:
        with statements(tx) as executed:
            IssueList(tx, actor, filters, Order("attention")).rows(51)
        for statement in executed:
            assert_no_scans(tx, [statement])


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_counts_of_issues_that_need_attention_scan_no_table(large: Database) -> None:
    """PostgreSQL scans a table of this size, because it finds enough rows to stop at once."""
    with large.read() as tx:
        with statements(tx) as executed:
            count_attention(tx, ACTOR, datetime.now(UTC))
            list_longest_outages(tx, ACTOR, limit=10)
        assert len(executed) == 4
        for statement in executed:
            assert_no_scans(tx, [statement])


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_similar_names_are_found_without_reading_all_issues(large: Database) -> None:
    """SQLite would read all issues for a join with the former names. PostgreSQL reads the first rows that match."""
    with large.read() as tx:
        with statements(tx) as executed:
            assert list_similar_issues(tx, ACTOR, "printr drops", 6)
        for statement in executed:
            assert_no_scans(tx, [statement])


def test_filters_of_all_sizes_share_a_few_statements(large: Database) -> None:
    """Statements for every number of companies would evict each other from the statement caches."""
    texts = set()
    with large.read() as tx:
        for companies in range(1, 100, 9):
            for statuses in range(1, len(Status) + 1):
                filters = Filters(company_ids=tuple(range(1, companies + 1)), statuses=tuple(Status)[:statuses])
                with statements(tx) as executed:
                    found = IssueList(tx, ACTOR, filters)
                    found.load(found.rows(1))
                    found.count()
                    found.status_counts()
                texts |= {text for text, _ in executed}
    assert len(texts) < 60


def test_the_lookups_of_every_request_use_an_index(large: Database) -> None:
    at = datetime.now(UTC)
    hot: dict[str, tuple[Prepared, dict[str, Any]]] = {
        "session": (sessions._by_token, {"token_hash": b"x" * 32}),
        "token": (token_use._by_key, {"key": "x" * 16}),
        "state": (log._state, {}),
        "issue by name": (issue_queries._head("name_key", lock=False, limited=False), {"value": "printer"}),
        "issue to change": (issue_queries._head("name_key", lock=True, limited=False), {"value": "printer"}),
        "status of a company": (issue_queries._status, {"issue_id": 5, "company_id": 7}),
        "issue touched": (assignments._touch, {"issue_id": 5, "at": at}),
    }
    with large.write() as tx:
        for what, (prepared, values) in hot.items():
            compiled = prepared._for(tx)
            plan = plan_of(tx, compiled.sql, compiled.parameters(dict(values)))
            # SQLite also calls reading one row from the end of a table a scan.
            last = ["events"] if what == "state" and "SCAN events" in plan and "TEMP" not in plan else []
            assert scans(tx, plan) == last, f"{what}:\n{plan}"
