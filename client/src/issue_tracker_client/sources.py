"""Sources of many items, read in batches: the pages of a list, and the live stream of events."""

import dataclasses
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from issue_tracker_client.errors import unexpected
from issue_tracker_client.models import Event, Listing, Model, decoder
from issue_tracker_client.retrying import ANY_NUMBER, Retries
from issue_tracker_client.session import Session
from issue_tracker_client.spelling import next_query, query_pairs
from issue_tracker_client.sse import Parser
from issue_tracker_client.steps import Close, Failure, Now, Pause, Plan, Read, Reply, Request

T = TypeVar("T")
M = TypeVar("M", bound=Model)
HEARTBEAT_LOST = 40.0  # seconds; the server sends at least a comment every 15
LOOK_BACK = 100  # the newest events, whose order may still change while transactions are being committed
HEALTHY = 10.0  # seconds after which a stream counts as stable: its next break is the first one again

read_event = decoder(Event)
read_events = decoder(Listing[Event])


class Source(Protocol[T]):
    """`more` returns the next batch, or None after the last one; `done` releases what the source holds."""

    def more(self) -> Plan[list[T] | None]: ...

    def done(self) -> Plan[None]: ...


class Pages(Generic[M]):
    """A list, fetched page by page when it is needed: a list of any length takes the memory of one page."""

    def __init__(self, session: Session, first: Request, read: Callable[[Reply], Listing[M]]) -> None:
        self._session, self._read = session, read
        self._next: Request | None = first

    def more(self) -> Plan[list[M] | None]:
        if self._next is None:
            return None
        reply = yield from self._session.perform(self._next)
        query = next_query(reply.headers.get("link"))
        self._next = None if query is None else dataclasses.replace(self._next, query=query)
        return list(self._read(reply).items)

    def done(self) -> Plan[None]:
        yield from ()


class Feed:
    """The live stream: every event after the one with the id `after`, in order, without a gap or a repeat.

    Without `after` it starts at the newest event at the time of the first call. It reconnects with Last-Event-ID
    when the connection breaks, ends, or is silent for HEARTBEAT_LOST seconds. Raises Unreachable or Unavailable
    when no connection succeeded for `patience` seconds, NotSignedIn when the token is no longer valid,
    UnexpectedAnswer when the response is not the stream.
    """

    def __init__(self, session: Session, after: int | None = None, patience: float = 300.0) -> None:
        self._session, self._seen = session, after
        self._retries = dataclasses.replace(session.retries, attempts=ANY_NUMBER, patience=patience)
        self._stream: object = None
        self._parser = Parser()
        self._opened = 0.0
        self._breaks = 0

    def more(self) -> Plan[list[Event] | None]:
        if self._seen is None:
            self._seen = yield from newest_event(self._session, self._retries)
        while True:
            if self._stream is None:
                yield from self._connect(self._seen)
            chunk: bytes | Failure | None = yield Read(self._stream)
            if not isinstance(chunk, bytes):
                yield from self._pause_after_break()
            elif messages := self._parser.feed(chunk):
                events = [read_event(message.data) for message in messages]
                self._seen = events[-1].event_id
                return events

    def done(self) -> Plan[None]:
        if self._stream is not None:
            yield Close(self._stream)
            self._stream = None

    def _connect(self, seen: int) -> Plan[None]:
        headers = {"accept": "text/event-stream", "last-event-id": str(seen)}
        request = Request("GET", "/api/events/stream", headers=headers, read_timeout=HEARTBEAT_LOST)
        reply = yield from self._session.perform(request, streamed=True, retries=self._retries)
        self._stream, self._parser = reply.stream, Parser()
        if self._stream is None or reply.media_type != "text/event-stream":
            yield from self.done()
            raise unexpected(reply)
        self._opened = yield Now()

    def _pause_after_break(self) -> Plan[None]:
        """Closes the connection and waits, longer each time if connections keep breaking soon after their start."""
        yield from self.done()
        now: float = yield Now()
        self._breaks = 1 if now - self._opened > HEALTHY else self._breaks + 1
        yield Pause(self._retries.backoff(self._breaks))


def newest_event(session: Session, retries: Retries) -> Plan[int]:
    """Returns the id of the newest event below which no event can appear any more; 0 without any event.

    Two simultaneous changes may become visible in the opposite order of their ids. A list with `after` ends before
    the first id that may still appear, so its last event is a safe place to resume from.
    """
    newest = yield from listed_events(session, retries, limit=1)
    before = max(0, newest.items[0].event_id - LOOK_BACK) if newest.items else 0
    settled = yield from listed_events(session, retries, after=before, limit=LOOK_BACK)
    return settled.items[-1].event_id if settled.items else before


def listed_events(session: Session, retries: Retries, **query: int) -> Plan[Listing[Event]]:
    request = Request("GET", "/api/events", query_pairs(query))
    return read_events((yield from session.perform(request, retries=retries)))
