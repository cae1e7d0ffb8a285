"""GET /api/events/stream (contract, section 7): which events are sent to whom, in which order, and when a
stream ends.
"""

import re
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest

from issue_tracker.actor import ALL_COMPANIES, Actor, Role
from issue_tracker.clock import now
from issue_tracker.events import listener as listener_module
from issue_tracker.events import reader as reader_module
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.queries.log import get_last_event_id
from issue_tracker.events.record import record
from tests.engines import decided_in_python
from tests.events.listening import Listening
from tests.waiting import eventually
from tests.world import CAST, World

TESS = Actor(1, "Tess Ngo", Role.TECHNICIAN, "session")


def _set(world: World, status: str, company: str = "Contoso") -> None:
    body = {"issue_name": "VPN", "company_name": company, "status": status}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=body)


def test_a_change_reaches_listeners_as_the_history_lists_it(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    with Listening(world.client("tess")) as listener:
        assert listener.response.headers["content-type"] == "text/event-stream"
        assert listener.response.headers["cache-control"] == "no-store"
        assert listener.response.headers["x-accel-buffering"] == "no"
        started = time.monotonic()
        _set(world, "resolved")
        listener.receives(1)
        assert time.monotonic() - started < 5
        assert listener.events == world.client().call("GET", "/api/events?limit=1", 200)["items"]


def test_only_later_events_are_sent(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    for status in ("resolved", "new", "resolved"):
        _set(world, status)
        with Listening(world.client("tess")) as listener:
            _set(world, "monitoring")
            listener.receives(1)
            assert listener.events[0]["to"] == "monitoring"


def test_a_listener_resumes_after_the_last_event_it_got(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    everything = world.client().call("GET", "/api/events?after=0", 200)["items"]
    with Listening(world.client("tess"), last_event_id=everything[0]["event_id"]) as listener:
        _set(world, "resolved")
        listener.receives(2)
        assert listener.events[0] == everything[1] and listener.events[1]["to"] == "resolved"
    with Listening(world.client("tess"), path="/api/events/stream?after=0") as listener:
        listener.receives(3)
    with Listening(world.client("tess"), last_event_id=2**62) as restored:
        _set(world, "closed")
        restored.receives(1)
        assert [event["to"] for event in restored.events] == ["closed"]
    world.client().call("GET", "/api/events/stream", 400, headers={"Last-Event-ID": "yesterday"})
    world.client().call("GET", "/api/events/stream?after=x", 422)


def test_a_listener_catches_up_in_order_after_a_long_absence(world: World) -> None:
    many = [Change(type=EventType.ISSUE_UPDATED, issue=Subject(1, "VPN"))] * 1700
    with Listening(world.client("tess")) as first:
        with world.database.write() as tx:
            record(tx, TESS, many, now())
        first.until(lambda: len(first.events) == 1700)  # the reader is past all of them
        with Listening(world.client("tess"), last_event_id=0) as late:
            late.until(lambda: len(late.events) >= 1700)
            assert late.ids == list(range(late.ids[0], late.ids[0] + 1700))


def test_only_super_admins_receive_audit_events(world: World) -> None:
    with Listening(world.client("ada")) as ada, Listening(world.client("tess")) as tess:
        world.client("ada").call("POST", "/api/companies", 201, json={"name": "Newcomer"})
        world.given_issue("VPN")
        ada.receives(2)
        tess.receives(1)
        assert [e["type"] for e in ada.events] == ["company.created", "issue.created"]
        assert [e["type"] for e in tess.events] == ["issue.created"]
    with Listening(world.client("tess"), last_event_id=0) as tess:
        tess.receives(1)
    world.anonymous().call("GET", "/api/events/stream", 401)
    world.client("mia").call("GET", "/api/events/stream", 403)


@decided_in_python
def test_a_head_request_to_the_stream_ends_immediately(world: World) -> None:
    response = world.client().head("/api/events/stream")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")


@decided_in_python
def test_a_heartbeat_is_sent_when_there_are_no_events(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listener_module.HEARTBEAT_SECONDS == 15
    monkeypatch.setattr(listener_module, "HEARTBEAT_SECONDS", 0.2)
    with Listening(world.client("tess")) as listener:
        listener.hears_heartbeats(2)


@pytest.mark.parametrize("ending", ["logout", "disabled", "demoted", "idle"])
def test_a_stream_ends_with_its_session(world: World, ending: str) -> None:
    client, ada = world.client("tess"), world.client("ada")
    user = next(u for u in ada.call("GET", "/api/users", 200)["items"] if u["email"] == CAST["tess"][0])
    with Listening(client) as listener, Listening(world.client("omar")) as other:
        if ending == "logout":
            client.call("POST", "/api/auth/logout", 204)
        elif ending == "disabled":
            ada.call("PUT", f"/api/users/{user['user_id']}", 200, json={"active": False})
        elif ending == "demoted":
            ada.call("PUT", f"/api/users/{user['user_id']}", 200, json={"role": "member"})
        else:
            world.clock.advance(hours=13)
        assert listener.ended.wait(6) and listener.clean_end
        assert ending == "idle" or not other.ended.is_set()


def test_a_stream_ends_with_its_token(world: World) -> None:
    client = world.bearer("tess", "read", name="monitoring")
    tokens = world.client("tess").call("GET", "/api/auth/tokens", 200)["items"]
    with Listening(client) as listener:
        world.client("tess").call("DELETE", f"/api/auth/tokens/{tokens[0]['id']}", 204)
        assert listener.ended.wait(6) and listener.clean_end


def test_a_stream_ends_when_its_token_expires(world: World) -> None:
    ada = world.client("ada")
    omar = next(u for u in ada.call("GET", "/api/users", 200)["items"] if u["email"] == CAST["omar"][0])
    end = (world.clock.now() + timedelta(hours=1)).isoformat()
    body = {"name": "short", "scopes": ["read"], "expires_at": end}
    short = world.anonymous()
    made = world.client("tess").call("POST", "/api/auth/tokens", 201, json=body)
    short.headers["Authorization"] = f"Bearer {made['token']}"

    def check(name: str, **time: float) -> None:
        """Advances the clock. All credentials are checked before an event about a user is sent."""
        world.clock.advance(**time)
        world.client("ada").call("PUT", f"/api/users/{omar['user_id']}", 200, json={"name": name})

    with Listening(short) as expiring, Listening(world.bearer("tess", "read", name="long")) as unused:
        check("Omar Farouk", minutes=59)
        assert not expiring.ended.wait(0.2)
        check("Omar Sharif", minutes=2)
        assert expiring.ended.wait(6) and expiring.clean_end and not unused.ended.is_set()
        check("Omar Reyes", days=366)
        assert unused.ended.wait(6) and unused.clean_end


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_events_are_in_order_if_transactions_commit_out_of_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite writers take turns. The late event moves the second early one out of the first batch."""
    monkeypatch.setattr(listener_module, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(reader_module, "BATCH", 2)
    recorded, may_commit = threading.Event(), threading.Event()

    def write(*names: str, wait: bool) -> None:
        changes = [Change(type=EventType.ISSUE_CREATED, issue=Subject(1, name)) for name in names]
        with world.database.write() as tx:
            record(tx, TESS, changes, now())
            recorded.set()
            assert not wait or may_commit.wait(10)

    with Listening(world.client("tess")) as before:
        late = threading.Thread(target=write, args=("late",), kwargs={"wait": True})
        late.start()
        assert recorded.wait(10)
        write("early", "too", wait=False)
        with Listening(world.client("tess")) as meanwhile:
            write("last", wait=False)
            for listener in (before, meanwhile):  # both continue: only the open transaction delays events
                listener.hears_heartbeats(2)
                assert listener.events == []
            may_commit.set()
            late.join(10)
            before.receives(4)
            meanwhile.receives(2)
            assert [e["issue_name"] for e in before.events] == ["late", "early", "too", "last"]
            # The early ones already existed when this listener connected.
            assert [e["issue_name"] for e in meanwhile.events] == ["late", "last"]
            with Listening(world.client("tess"), last_event_id=before.ids[0]) as resumed:
                resumed.until(lambda: resumed.events == before.events[1:])
        # What is before the open transaction is sent immediately, and what is after it only once.
        recorded.clear()
        may_commit.clear()
        late = threading.Thread(target=write, args=("again",), kwargs={"wait": True})
        with world.database.write() as tx:
            record(tx, TESS, [Change(type=EventType.ISSUE_CREATED, issue=Subject(1, "next"))], now())
            late.start()
            assert recorded.wait(10)
            record(tx, TESS, [Change(type=EventType.ISSUE_CREATED, issue=Subject(1, "end"))], now())
        before.receives(5)
        before.hears_heartbeats(2)
        assert reader_module.starting_position(world.database) <= before.ids[-1], "a process that starts now"
        may_commit.set()
        late.join(10)
        before.receives(7)
        assert [e["issue_name"] for e in before.events[4:]] == ["next", "again", "end"]


def test_a_rolled_back_transaction_delays_no_event(world: World) -> None:
    def fail() -> None:
        with world.database.write() as tx:
            record(tx, TESS, [Change(type=EventType.ISSUE_CREATED, issue=Subject(1, "never"))], now())
            raise ZeroDivisionError

    with Listening(world.client("tess")) as listener:
        with pytest.raises(ZeroDivisionError):
            fail()
        world.given_issue("kept")
        listener.receives(1)
        assert [e["issue_name"] for e in listener.events] == ["kept"]


@decided_in_python
def test_a_listener_that_does_not_read_is_disconnected_without_delaying_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "QUEUE_BYTES", 512 * 1024)
    monkeypatch.setattr(reader_module, "IDLE_SECONDS", 0.05)
    many = [Change(type=EventType.ISSUE_UPDATED, issue=Subject(1, "VPN"), note="x" * 20_000)] * 15
    slow_client = world.client("omar")
    with (
        slow_client.stream("GET", "/api/events/stream") as slow,
        Listening(world.client("tess")) as quick,
    ):
        for batch in range(25):  # more than the system and the server buffer
            with world.database.write() as tx:
                record(tx, TESS, many, now())
            quick.receives(15 * (batch + 1))
        got = b"".join(slow.iter_bytes())  # ends regularly, and before the last event
        assert 0 < got.count(b"data: ") < 375
        assert not quick.ended.is_set()


def _seen(world: World) -> tuple[int, list[int]]:
    """Returns the position at which a page that is read now continues, and the later events that it already shows."""
    text = world.client("tess").get("/companies").text
    found = re.search(r'data-last-event="(\d+)"(?: data-seen="([\d,]+)")?', text)
    assert found is not None
    return int(found[1]), [int(number) for number in (found[2] or "").split(",") if number]


def _settled(world: World) -> int:
    """Returns the last event id, once pages continue there. Until transactions that have just ended are known to have,
    such as those of PostgreSQL itself, rows that other tests deleted look like a gap.
    """
    with world.database.read() as tx:
        last = get_last_event_id(tx, ALL_COMPANIES)
    eventually(lambda: _seen(world) == (last, []))
    return last


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_page_resumes_before_events_that_may_still_appear(world: World) -> None:
    """On SQLite writers take turns."""
    recorded, may_end = threading.Event(), threading.Event()
    before = _settled(world)

    def write(*, rolled_back: bool) -> None:
        with suppress(ZeroDivisionError), world.database.write() as tx:
            record(tx, TESS, [Change(type=EventType.ISSUE_CREATED, issue=Subject(1, "late"))], now())
            recorded.set()
            assert may_end.wait(10)
            if rolled_back:
                raise ZeroDivisionError

    for rolled_back in (False, True):
        recorded.clear()
        may_end.clear()
        late = threading.Thread(target=write, kwargs={"rolled_back": rolled_back})
        late.start()
        assert recorded.wait(10)
        world.given_issue(f"Early {rolled_back}")
        with world.database.read() as tx:
            early = get_last_event_id(tx, ALL_COMPANIES)
        seen = [_seen(world), _seen(world)]
        may_end.set()
        late.join(10)
        assert seen == [(before, [early])] * 2
        before = _settled(world)
        assert before == early
