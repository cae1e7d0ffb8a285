"""A user with limited access sees only events of visible companies: in the history, its search and the stream."""

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, aclosing

import msgspec
import pytest

from issue_tracker.actor import ALL_COMPANIES, Actor, CompanyAccess, Permissions, Role
from issue_tracker.clock import now
from issue_tracker.errors import NotFound
from issue_tracker.events import stream as stream_module
from issue_tracker.events.catalog import Change, Event, EventType, Subject
from issue_tracker.events.listener import Listener
from issue_tracker.events.queries.history import HistoryFilter
from issue_tracker.events.queries.log import get_last_event_id, list_events
from issue_tracker.events.queries.search import EventFilters, Selection
from issue_tracker.events.queries.undoable import list_changes_of_request
from issue_tracker.events.record import record
from issue_tracker.events.sentences import activity, company_history, issue_history
from issue_tracker.events.stream import Stream
from tests.apart import run_apart
from tests.engines import decided_in_python
from tests.world import World

Listed = list[tuple[str, str | None, str | None]]


@pytest.fixture
def access(world: World) -> CompanyAccess:
    """Access to Contoso and Zürich, of which Contoso is assigned to one of three issues."""
    ids = world.given_companies("Contoso", "Zürich (Nord)")
    world.given_issue("VPN", {"Contoso": "new", "Fabrikam": "new"})
    world.given_issue("Mail", {"Fabrikam": "new"})
    world.given_issue("Nobody’s")
    return CompanyAccess(frozenset(ids.values()))


VISIBLE: Listed = [("issue.created", "VPN", None), ("assignment.created", "VPN", "Contoso")]

ALL_EVENTS = EventFilters()


def _actor(access: CompanyAccess, role: Role = Role.TECHNICIAN) -> Actor:
    return Actor(1, "Tess Ngo", role, "session", company_access=access)


def _search(world: World, actor: Actor, filters: EventFilters = ALL_EVENTS) -> Listed:
    with world.database.read() as tx:
        selection = Selection(tx, actor, filters)
        found = selection.page(after=0, before=None, until=None, limit=100)
        assert selection.count() == (len(found), True)
    return [(event.type.value, event.issue_name, event.company_name) for event in found]


@pytest.fixture
def wide_access(access: CompanyAccess) -> CompanyAccess:
    """The same access, together with more companies than a statement may have parameters."""
    assert access.company_ids is not None
    return CompanyAccess(access.company_ids | frozenset(range(1_000_000, 1_070_000)))


def test_any_number_of_companies_may_be_visible(world: World, wide_access: CompanyAccess) -> None:
    actor = _actor(wide_access)
    assert _search(world, actor) == VISIBLE
    with world.database.read() as tx:
        assert len(activity(tx, actor, HistoryFilter()).entries) == 2
        assert get_last_event_id(tx, wide_access) == list_events(tx, wide_access, after=0, limit=9)[-1].event_id
        assert list_changes_of_request(tx, actor, "unknown", None, now()) == []


def test_the_search_finds_only_visible_events(world: World, access: CompanyAccess) -> None:
    actor = _actor(access)
    assert _search(world, actor) == VISIBLE
    assert _search(world, actor, EventFilters(issue_name="vpn")) == VISIBLE
    assert _search(world, actor, EventFilters(company_name="contoso")) == VISIBLE[1:]
    assert len(_search(world, _actor(ALL_COMPANIES))) == 6


def test_hidden_data_is_treated_like_data_that_never_existed(world: World, access: CompanyAccess) -> None:
    hidden = (
        EventFilters(issue_name="Mail"),
        EventFilters(issue_name="Nobody’s"),
        EventFilters(company_name="Fabrikam"),
    )
    for filters in hidden:
        with pytest.raises(NotFound) as refused:
            _search(world, _actor(access), filters)
        name = filters.issue_name or filters.company_name
        assert refused.value.detail.endswith(f" called “{name}”, and there never was.")


def test_audit_events_are_visible_if_their_company_is(world: World, access: CompanyAccess) -> None:
    found = _search(world, _actor(access, Role.SUPER_ADMIN))
    assert {company for type_, _, company in found if type_ == "company.created"} == {"Contoso", "Zürich (Nord)"}
    assert "user.created" not in {type_ for type_, _, _ in found}
    assert "user.created" in {type_ for type_, _, _ in _search(world, _actor(ALL_COMPANIES, Role.SUPER_ADMIN))}


def test_the_history_shows_only_visible_events(world: World, access: CompanyAccess) -> None:
    actor = _actor(access)
    fabrikam = world.given_companies("Fabrikam")["Fabrikam"]
    with world.database.read() as tx:
        shown = activity(tx, actor, HistoryFilter())
        assert [" ".join(entry.words) for entry in shown.entries] == [
            "added Contoso to “VPN” as New",
            "created “VPN”",
        ]
        assert company_history(tx, actor, fabrikam).entries == []
        assert len(company_history(tx, _actor(ALL_COMPANIES), fabrikam).entries) == 2
        mail = _search(world, _actor(ALL_COMPANIES), EventFilters(issue_name="Mail"))
        assert len(mail) == 2
        issue_id = next(event.issue_id for event in _log(world) if event.issue_name == "Mail")
        assert issue_id is not None
        assert issue_history(tx, actor, issue_id).entries == []


def test_an_entry_counts_only_the_visible_companies(world: World, access: CompanyAccess) -> None:
    client = world.client()
    body = {"issue_name": "VPN", "status": "resolved", "companies": ["Contoso", "Fabrikam", "Zürich (Nord)"]}
    client.call("POST", "/api/issues/status/bulk", 200, json={**body, "status": "investigating"})
    client.call("POST", "/api/issues/status/bulk", 200, json=body)
    with world.database.read() as tx:
        newest, *_ = activity(tx, _actor(access), HistoryFilter()).entries
    assert "2 companies" in newest.words and newest.companies == ["Contoso", "Zürich (Nord)"]


def _log(world: World) -> list[Event]:
    with world.database.read() as tx:
        return list_events(tx, ALL_COMPANIES, after=0, limit=1000)


class Streamed:
    """One stream and its listeners with different access. The name of a credential identifies its access."""

    def __init__(self, world: World, **accesses: CompanyAccess) -> None:
        self.world = world
        self.accesses = accesses
        self.stream = Stream(world.database, self._permissions)

    def _permissions(self, held: Collection[str]) -> Mapping[str, Permissions]:
        return {name: Permissions(Role.TECHNICIAN, self.accesses[name]) for name in held}

    def listen(self, name: str, after: int | None = None) -> AsyncGenerator[bytes, None]:
        return self.stream.listen(Listener(name, audit=False, access=self.accesses[name]), after)

    async def events(self, pieces: AsyncGenerator[bytes, None], count: int) -> Listed:
        """Returns the next events, of which there must be at least this many."""
        found: Listed = []
        async with asyncio.timeout(20):
            while len(found) < count:
                for line in (await anext(pieces)).decode().splitlines():
                    if line.startswith("data: "):
                        event = msgspec.json.decode(line.removeprefix("data: "))
                        found.append((event["type"], event["issue_name"], event["company_name"]))
        return found


def _record(world: World) -> None:
    """Records events about visible and hidden data, in one transaction."""
    ids = world.given_companies("Contoso", "Fabrikam")
    vpn = next(event.issue_id for event in _log(world) if event.issue_name == "VPN")
    mail = next(event.issue_id for event in _log(world) if event.issue_name == "Mail")
    changes = [
        Change(
            type=type_,
            issue=Subject(issue_id, name),
            company=None if company is None else Subject(ids[company], company),
        )
        for type_, issue_id, name, company in (
            (EventType.ISSUE_UPDATED, vpn, "VPN", None),
            (EventType.ASSIGNMENT_DELETED, vpn, "VPN", "Fabrikam"),
            (EventType.ISSUE_UPDATED, mail, "Mail", None),
            (EventType.ASSIGNMENT_DELETED, vpn, "VPN", "Contoso"),
        )
    ]
    with world.database.write() as tx:
        record(tx, _actor(ALL_COMPANIES), changes, now())


SENT: Listed = [("issue.updated", "VPN", None), ("assignment.deleted", "VPN", "Contoso")]


def test_the_stream_sends_only_visible_events(world: World, access: CompanyAccess) -> None:
    async def run() -> None:
        streamed = Streamed(world, limited=access, everything=ALL_COMPANIES)
        await streamed.stream.start()
        limited, caught_up, everything = (
            streamed.listen(*of) for of in (("limited",), ("limited", 0), ("everything",))
        )
        async with aclosing(limited), aclosing(caught_up), aclosing(everything):
            for pieces in (limited, caught_up, everything):
                await anext(pieces)
            assert await streamed.events(caught_up, 2) == VISIBLE
            expected = ((limited, 2), (caught_up, 2), (everything, 4))
            reading = [asyncio.create_task(streamed.events(pieces, count)) for pieces, count in expected]
            await asyncio.sleep(0.1)
            await asyncio.to_thread(_record, world)
            assert await reading[0] == await reading[1] == SENT
            assert len(await reading[2]) == 4
        await streamed.stream.stop()

    run_apart(run())


def test_a_listener_that_a_batch_does_not_cover_reads_the_table(world: World, access: CompanyAccess) -> None:
    """The log was read just before the first listener with this access connected."""

    async def run() -> None:
        streamed = Streamed(world, limited=access)
        await streamed.stream.start()
        streamed.stream._note_accesses = lambda: None  # type: ignore[method-assign]  # replaced for this test
        pieces = streamed.listen("limited")
        async with aclosing(pieces):
            await anext(pieces)
            reading = asyncio.create_task(streamed.events(pieces, 4))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(_record, world)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(_record, world)
            assert await reading == SENT * 2
        await streamed.stream.stop()

    run_apart(run())


def test_a_stream_follows_changes_of_the_access(
    world: World, access: CompanyAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "CHECK_SECONDS", 0.05)

    async def run() -> None:
        streamed = Streamed(world, tess=ALL_COMPANIES)
        await streamed.stream.start()
        pieces = streamed.listen("tess")
        async with aclosing(pieces):
            await anext(pieces)
            reading = asyncio.create_task(streamed.events(pieces, 6))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(_record, world)
            while streamed.stream._position < await asyncio.to_thread(_last, world):
                await asyncio.sleep(0.01)
            streamed.accesses["tess"] = access
            while not streamed.stream._limited:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(_record, world)
            assert (await reading)[4:] == SENT
        await streamed.stream.stop()

    run_apart(run())


def _last(world: World) -> int:
    with world.database.read() as tx:
        return get_last_event_id(tx, ALL_COMPANIES)


def test_the_last_event_number_is_that_of_a_visible_event(world: World, access: CompanyAccess) -> None:
    with world.database.read() as tx:
        assert 0 < get_last_event_id(tx, access) < get_last_event_id(tx, ALL_COMPANIES)
        assert get_last_event_id(tx, CompanyAccess(frozenset())) == 0


@decided_in_python
def test_permissions_of_a_thousand_listeners_change_at_once(world: World) -> None:
    """The event loop answers no request meanwhile."""

    def permissions(companies: int) -> Permissions:
        return Permissions(Role.TECHNICIAN, CompanyAccess(frozenset(range(companies))))

    alive = {number: permissions(100) for number in range(1000)}

    async def spent() -> float:
        stream = Stream(world.database, lambda _: alive)
        await stream.start()
        async with AsyncExitStack() as opened:
            for number in alive:
                listener = Listener(number, audit=False, access=permissions(99).company_access)
                pieces = stream.listen(listener, None)
                await anext(await opened.enter_async_context(aclosing(pieces)))
            began = time.process_time()
            stream._apply_all(alive, alive)
            took = time.process_time() - began
            assert stream._limited == {permissions(100).company_access}
        await stream.stop()
        return took

    assert run_apart(spent()) < 0.2
