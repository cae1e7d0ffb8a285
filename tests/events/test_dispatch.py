"""Events that are committed within a pause are sent to all listeners together, and encoded only once."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from starlette.types import Send

from issue_tracker.actor import Actor, Role
from issue_tracker.api.event_stream import EventStreamResponse
from issue_tracker.clock import now
from issue_tracker.events import listener as listener_module
from issue_tracker.events import reader as reader_module
from issue_tracker.events import stream as stream_module
from issue_tracker.events.catalog import Change, Event, EventType, Subject
from issue_tracker.events.listener import Listener
from issue_tracker.events.reader import Audience, EncodedEvent, LogReader
from issue_tracker.events.record import record
from tests.engines import decided_in_python
from tests.events.listening import Listening
from tests.waiting import eventually
from tests.world import World

TESS = Actor(1, "Tess Ngo", Role.TECHNICIAN, "session")


def _record(world: World, count: int = 1, note: str | None = None) -> None:
    """Commits this many events, in a separate transaction."""
    change = Change(type=EventType.ISSUE_UPDATED, issue=Subject(1, "VPN"), note=note)
    with world.database.write() as tx:
        record(tx, TESS, [change] * count, now())


def _await(listener: Listening, event_id: int) -> None:
    """Waits until the listener has received this event or a later one."""
    listener.until(lambda: bool(listener.ids) and listener.ids[-1] >= event_id)


class Pauses:
    """The pauses after each dispatch. After `hold` they last until `release`."""

    def __init__(self) -> None:
        self.begun = 0
        self._held = False
        self._released = threading.Event()

    def hold(self) -> None:
        self._held = True

    def release(self) -> None:
        self._released.set()

    def pause(self) -> None:
        if self._held:
            self.begun += 1
            assert self._released.wait(30)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pauses]:
    pauses = Pauses()
    monkeypatch.setattr(LogReader, "_pause", lambda _: pauses.pause())
    yield pauses
    pauses.release()


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the events that the reader has encoded, in order."""
    numbers: list[int] = []

    def encode(event: Event) -> EncodedEvent:
        numbers.append(event.event_id)
        return original(event)

    original = reader_module.encode_event
    monkeypatch.setattr(reader_module, "encode_event", encode)
    return numbers


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> dict[Audience, list[bytes]]:
    """The events that were queued for the listeners of each audience."""
    texts: dict[Audience, list[bytes]] = defaultdict(list)

    def put(listener: Listener, text: bytes) -> None:
        texts[listener.audience].append(text)
        original(listener, text)

    original = Listener.put
    monkeypatch.setattr(Listener, "put", put)
    return texts


def test_events_committed_within_a_pause_are_sent_together(
    world: World,
    pauses: Pauses,
    encoded: list[int],
    queued: dict[Audience, list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_module, "WOKEN_TOGETHER", 2)
    clients = [world.client(who) for who in ("tess", "omar", "tess", "omar", "tess", "ada", "ada")]
    late_client, resumed_client = world.client("tess"), world.client("omar")
    with ExitStack() as stack:
        listeners = [stack.enter_context(Listening(client)) for client in clients]
        _record(world)
        for listener in listeners:
            _await(listener, 1)
        began = listeners[0].ids[-1]
        encoded.clear()
        queued.clear()
        pauses.hold()
        _record(world)
        for listener in listeners:
            _await(listener, began + 1)
        eventually(lambda: pauses.begun == 1)
        for _ in range(20):
            _record(world)
        late = stack.enter_context(Listening(late_client))
        resumed = stack.enter_context(Listening(resumed_client, last_event_id=began + 11))
        _record(world, 3)
        pauses.release()
        expected = list(range(began + 1, began + 25))
        for listener in listeners:
            _await(listener, expected[-1])
            assert listener.ids[-len(expected) - 1 :] == [began, *expected], "without a gap or a repeat"
        late.until(lambda: late.ids == expected[-3:])
        resumed.until(lambda: resumed.ids == expected[11:])
        assert pauses.begun == 2, "one dispatch at once, and one after the pause"
        assert encoded == expected
        for texts in queued.values():
            shared = [text for text in texts if text.count(b"\ndata: ") in (1, 23)]
            assert len({id(text) for text in shared}) == 2, "one bytes object for all of an audience"
        assert {len(texts) for texts in queued.values()} == {2 * 2, 2 * 5 + 2}


@decided_in_python
def test_a_client_that_reads_nothing_is_disconnected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "HEARTBEAT_SECONDS", 0.3)
    monkeypatch.setattr(listener_module, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(listener_module, "QUEUE_BYTES", 1 << 30)
    monkeypatch.setattr(reader_module, "IDLE_SECONDS", 0.05)
    given_up = threading.Event()

    async def send(response: EventStreamResponse, send: Send, piece: bytes) -> None:
        try:
            await original(response, send, piece)
        except asyncio.CancelledError:
            given_up.set()
            raise

    original = EventStreamResponse._send
    monkeypatch.setattr(EventStreamResponse, "_send", send)
    with world.client("omar").stream("GET", "/api/events/stream") as slow, Listening(world.client("tess")) as quick:
        for batch in range(60):
            _record(world, 10, "x" * 30_000)
            quick.receives(10 * (batch + 1))
            if given_up.is_set():
                break
        assert given_up.wait(10)
        with pytest.raises(httpx.RemoteProtocolError):  # not a regular end: the last event may be incomplete
            slow.read()
        assert not quick.ended.is_set()
