"""Following the live stream of a real server, over connections that break."""

import threading
from collections.abc import Iterator
from itertools import islice

import pytest

from issue_tracker_client import Event, NotSignedIn, Retries, Tracker
from tests.client.conftest import Connect
from tests.client.troubles import TroubledNetwork, response
from tests.waiting import eventually
from tests.world import CAST, PASSWORD, World

SOON = Retries(first_pause=0.01)


def test_every_change_arrives_once_and_in_order(connect: Connect, network: TroubledNetwork, tracker: Tracker) -> None:
    """Connections are cut again and again while another client makes changes."""
    tracker.create_issue("VPN", companies=["Acme"])
    statuses = ["investigating", "monitoring"] * 20
    with connect(network.url, retries=SOON) as watcher:
        events = watcher.follow()
        first = expected_next(events, tracker, network)
        changing = threading.Thread(target=change, args=(tracker, statuses, network))
        changing.start()
        seen = list(islice(events, len(statuses)))
        changing.join()
        events.close()
    assert [event.to for event in seen] == statuses
    ids = [event.event_id for event in seen]
    assert ids == sorted(set(ids))
    assert ids[0] > first.event_id
    assert opened(network) > 2


def change(tracker: Tracker, statuses: list[str], network: TroubledNetwork) -> None:
    for number, status in enumerate(statuses):
        tracker.set_status("VPN", "Acme", status)
        if number % 10 == 5:
            network.ahead = [response(503)]
            network.cut()


def resolve_after(tracker: Tracker, network: TroubledNetwork, streams: int) -> threading.Thread:
    """Resolves the issue as soon as the client has opened the stream this number of times."""

    def resolve() -> None:
        eventually(lambda: opened(network) >= streams)
        tracker.set_status("VPN", "Acme", "resolved")

    resolving = threading.Thread(target=resolve)
    resolving.start()
    return resolving


def opened(network: TroubledNetwork) -> int:
    """Returns how often the stream was requested."""
    return sum("/api/events/stream" in request for request in network.requests)


def expected_next(events: Iterator[Event], tracker: Tracker, network: TroubledNetwork) -> Event:
    """Returns the next event, a change that is made after the iterator has started to wait."""
    resolving = resolve_after(tracker, network, 1)
    event = next(events)
    assert (event.type, event.from_, event.to) == ("assignment.status_changed", "new", "resolved")
    resolving.join()
    return event


def test_a_silent_connection_is_replaced(
    connect: Connect, network: TroubledNetwork, technician: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("issue_tracker_client.sources.HEARTBEAT_LOST", 0.3)  # well before the server's heartbeat
    technician.create_issue("VPN", companies=["Acme"])
    with connect(network.url, retries=SOON) as watcher:
        resolving = resolve_after(technician, network, 2)
        events = watcher.follow()
        assert next(events).to == "resolved"
        events.close()
        resolving.join()
    assert opened(network) > 1


def test_another_process_can_resume_the_stream(connect: Connect, url: str, tracker: Tracker) -> None:
    tracker.create_issue("VPN", companies=["Acme", "Contoso"])
    history = list(tracker.events(issue_name="vpn", page_size=1))
    assert [event.type for event in history] == ["assignment.created", "assignment.created", "issue.created"]
    with connect(url) as watcher:
        events = watcher.follow(after=history[-1].event_id)
        assert [event.company_name for event in islice(events, 2)] == ["Acme", "Contoso"]
        events.close()


def test_the_stream_ends_with_its_token(connect: Connect, url: str, world: World) -> None:
    with connect(url, email=CAST["tess"][0], password=PASSWORD) as owner:
        owner.create_issue("VPN")
        token = owner.create_token("watcher", scopes=["read"])
        with connect(url, token=token.token, retries=SOON) as watcher:
            events = watcher.follow(after=0)
            next(events)
            owner.revoke_token(token.id)
            with pytest.raises(NotSignedIn):
                list(events)


def test_a_session_that_ended_is_renewed_and_the_stream_continues(
    connect: Connect, url: str, world: World, technician: Tracker
) -> None:
    technician.create_issue("VPN", companies=["Acme"])
    after = next(technician.events()).event_id
    with connect(url, email=CAST["omar"][0], password=PASSWORD, retries=SOON) as watcher:
        events = watcher.follow(after=after - 1)
        assert next(events).event_id == after
        world.clock.advance(hours=13)
        technician.set_status("VPN", "Acme", "resolved")
        technician.set_status("VPN", "Acme", "closed")
        seen = []
        while "closed" not in seen:
            event = next(events)
            seen += [event.to] if event.type == "assignment.status_changed" else []
        assert seen == ["resolved", "closed"]
        events.close()


def test_the_history_contains_actor_channel_and_note(tracker: Tracker) -> None:
    tracker.create_issue("VPN", companies=["Acme"])
    tracker.set_status("VPN", "Acme", "resolved", note="Line replaced")
    (event,) = tracker.events(type="assignment.status_changed")
    assert (event.issue_name, event.company_name, event.from_, event.to) == ("VPN", "Acme", "new", "resolved")
    assert event.note == "Line replaced"
    assert event.actor.channel.startswith("token:")
    assert [one.event_id for one in tracker.events(after=event.event_id - 1)] == [event.event_id]
    assert [one.event_id for one in tracker.events(request_id=event.request_id)] == [event.event_id]
