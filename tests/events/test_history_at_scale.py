"""A long history remains fast: every read uses an index, and a page never skips a late event."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text

from issue_tracker.actor import Actor, Role
from issue_tracker.clock import now
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.queries.history import HistoryFilter, list_event_groups
from issue_tracker.events.queries.search import COUNT_LIMIT, EventFilters, Selection
from issue_tracker.events.record import record
from tests.cases import cases
from tests.events.statements import statements
from tests.world import World

TESS = Actor(1, "Tess Ngo", Role.TECHNICIAN, "session")
ADA = Actor(2, "Ada Lund", Role.SUPER_ADMIN, "session")

FILTERS = [
    EventFilters(),
    EventFilters(issue_name="VPN"),
    EventFilters(company_name="Contoso"),
    EventFilters(issue_name="VPN", company_name="Contoso", types=(EventType.ASSIGNMENT_CREATED,)),
    EventFilters(types=(EventType.ISSUE_CREATED,)),
    EventFilters(types=(EventType.ISSUE_CREATED, EventType.ISSUE_DELETED), actor="Tess Ngo"),
    EventFilters(actor="3"),
    EventFilters(actor="root"),
    EventFilters(request_id="abc"),
]


@contextmanager
def plans(world: World) -> Iterator[tuple[Connection, list[str]]]:
    """Opens a transaction in a database with one issue. Adds the plans of the executed reads of events at the end."""
    world.empty_issues()
    world.given_issue("VPN", {"Contoso": "new"})
    found: list[str] = []
    with world.database.read() as tx:
        if world.engine == "postgresql":
            tx.execute(text("SET LOCAL enable_seqscan = off"))
        with statements(tx) as executed:
            yield tx, found
        prefix = "EXPLAIN QUERY PLAN " if world.engine == "sqlite" else "EXPLAIN "
        for statement, parameters in executed:
            if "FROM events" in statement:
                found.append("\n".join(str(row) for row in tx.exec_driver_sql(prefix + statement, parameters)))
    assert found


@cases("filters", FILTERS)
def test_every_read_uses_an_index(world: World, filters: EventFilters) -> None:
    with plans(world) as (tx, found):
        for actor in (TESS, ADA):
            selection = Selection(tx, actor, filters)
            selection.page(after=None, before=None, until=None, limit=50)
            selection.page(after=3, before=None, until=10**6, limit=50)
            selection.count()
    for plan in found:
        assert "Seq Scan on events" not in plan, plan
        for line in plan.splitlines():
            # Without a filter the rows are read in the table's order, up to the limit.
            assert "SCAN events" not in line or "INDEX" in line or filters == EventFilters(), plan


@cases(
    "wanted", [HistoryFilter(issue_name="VPN"), HistoryFilter(company_name="Contoso"), HistoryFilter(actor_name="3")]
)
def test_every_page_of_a_history_uses_an_index(world: World, wanted: HistoryFilter) -> None:
    with plans(world) as (tx, found):
        list_event_groups(tx, TESS, wanted, before=None)
    for plan in found:
        assert "Seq Scan on events" not in plan and "SCAN events" not in plan, plan


def test_a_total_is_exact_or_says_that_it_is_not(world: World) -> None:
    many = [Change(type=EventType.ISSUE_UPDATED, issue=Subject(1, "VPN"))] * (COUNT_LIMIT + 5)
    with world.database.write() as tx:
        record(tx, TESS, many[:COUNT_LIMIT], now())
    client = world.client()
    response = client.call("GET", "/api/events?limit=1", 200)
    assert (response["total"], response["total_exact"]) == (COUNT_LIMIT, True)
    with world.database.write() as tx:
        record(tx, TESS, many[COUNT_LIMIT:], now())
    response = client.call("GET", "/api/events?limit=1", 200)
    assert (response["total"], response["total_exact"]) == (COUNT_LIMIT, False)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_pager_waits_for_an_event_that_commits_late(world: World) -> None:
    """On SQLite writers take turns: numbers are in the order of commits."""
    client = world.client()
    seen = client.call("GET", "/api/events?limit=1", 200)["items"]
    start = seen[0]["event_id"] if seen else 0
    recorded, may_commit = threading.Event(), threading.Event()

    def late() -> None:
        with world.database.write() as tx:
            record(tx, TESS, [Change(type=EventType.ISSUE_CREATED, issue=Subject(1, "late"))], now())
            recorded.set()
            may_commit.wait(10)

    writer = threading.Thread(target=late)
    writer.start()
    assert recorded.wait(10)
    with world.database.write() as tx:
        record(tx, TESS, [Change(type=EventType.ISSUE_CREATED, issue=Subject(2, "early"))], now())

    assert [e["issue_name"] for e in client.call("GET", "/api/events", 200)["items"]] == ["early"]
    assert client.call("GET", f"/api/events?after={start}", 200)["items"] == []
    may_commit.set()
    writer.join(10)
    found = client.call("GET", f"/api/events?after={start}", 200)["items"]
    assert [e["issue_name"] for e in found] == ["late", "early"]


def test_a_pager_continues_after_rolled_back_numbers(world: World) -> None:
    client = world.client()

    def fail() -> None:
        with world.database.write() as tx:
            record(tx, TESS, [Change(type=EventType.ISSUE_CREATED, issue=Subject(1, "never"))], now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with world.database.write() as tx:
        record(tx, TESS, [Change(type=EventType.ISSUE_CREATED, issue=Subject(2, "kept"))], now())

    assert [e["issue_name"] for e in client.call("GET", "/api/events?after=0", 200)["items"]] == ["kept"]
