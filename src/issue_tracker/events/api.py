"""The history over HTTP, as a list and as a live stream (contract, section 7)."""

from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from issue_tracker.auth.credentials import Credential
from issue_tracker.errors import Invalid, InvalidQuery
from issue_tracker.events.catalog import Event, EventType
from issue_tracker.events.live import LiveAnswer
from issue_tracker.events.order import settled_until
from issue_tracker.events.queries import EventFilters, Selection
from issue_tracker.events.stream import Listener
from issue_tracker.names import storable, whole_number
from issue_tracker.web import conditional
from issue_tracker.web.answer import Answer
from issue_tracker.web.context import Context
from issue_tracker.web.routing import Routes

routes = Routes("History")

EventId = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class EventList(msgspec.Struct):
    """A page of the history. `total` is exact unless `total_exact` is false: then there are more than so many."""

    items: list[Event]
    total: int
    total_exact: bool


class EventQuery(msgspec.Struct, kw_only=True):
    """Which events to list: the newest first; with `after`, the oldest first."""

    issue_name: Annotated[
        str, Meta(max_length=255, description="Events of the issue now so called, or so called when it was deleted.")
    ] = msgspec.field(default="", name="issueName")
    company_name: Annotated[
        str, Meta(max_length=255, description="Events about the company now so called, or so called then.")
    ] = msgspec.field(default="", name="companyName")
    type: Annotated[list[EventType], Meta(description="Only events of one of these types.")] = []
    actor: Annotated[str, Meta(max_length=255, description="Only what this user did, by id or name.")] = ""
    request_id: Annotated[str, Meta(max_length=128, description="Only what one request did.")] = msgspec.field(
        default="", name="requestId"
    )
    after: Annotated[EventId | None, Meta(description="Only events with a higher event_id, the oldest first.")] = None
    before: Annotated[EventId | None, Meta(description="Only events with a lower event_id.")] = None
    limit: Annotated[
        int, Meta(ge=1, le=500, description="At most so many events; the header Link leads to the next.")
    ] = 100


@routes.get("/api/events", transaction=False, answers={200: EventList}, errors=(404,))
def list_events(request: Context, query: EventQuery) -> Answer:
    """The history: who changed what, when, and why. Audit events are for super admins."""
    for name, text in (("actor", query.actor), ("requestId", query.request_id)):
        if not storable(text):
            raise InvalidQuery.field(name, "must not contain NUL characters")
    # Whoever goes on from the last number seen must not step over one that is still to come.
    until = None if query.after is None else settled_until(request.database, query.after)
    filters = EventFilters(
        issue_name=query.issue_name,
        company_name=query.company_name,
        types=tuple(dict.fromkeys(query.type)),
        actor=query.actor,
        request_id=query.request_id,
    )
    with request.database.read() as tx:
        selection = Selection(tx, request.actor, filters)
        items = selection.page(after=query.after, before=query.before, until=until, limit=query.limit + 1)
        total, exact = selection.count()
    more, items = len(items) > query.limit, items[: query.limit]
    answer = Answer.json(EventList(items, total, exact))
    if more:
        direction = "before" if query.after is None else "after"
        answer.headers.append(("Link", _next(request, direction, items[-1].event_id)))
    return conditional.answer(request.call, answer)


class StreamQuery(msgspec.Struct, kw_only=True):
    """Where a stream starts, for clients that cannot set a header: `Last-Event-ID` comes first."""

    after: Annotated[EventId | None, Meta(description="Start after this event_id instead of now.")] = None


@routes.get("/api/events/stream", transaction=False, answers={200: "text/event-stream"}, errors=(400,))
def stream_events(request: Context, query: StreamQuery) -> Answer:
    """Events as they happen, as Server-Sent Events.

    `id` is the event_id, `event` the type, `data` the event. Send `Last-Event-ID` to go on after that event. Ends when
    the session or token does. Audit events are for super admins.
    """
    identity = request.identity
    if identity.session is not None:
        credential = Credential("session", identity.session.id)
    else:
        assert identity.token is not None
        credential = Credential("token", identity.token.id)
    listener = Listener(credential, audit=request.actor.super_admin)
    after = _last_event_id(request)
    return LiveAnswer(request.runtime.stream, listener, query.after if after is None else after, request.call)


def _last_event_id(request: Context) -> int | None:
    text = (request.header("last-event-id") or "").strip()
    if not text:
        return None
    number = whole_number(text)
    if number is None:
        raise Invalid("Last-Event-ID must be the event_id of an event.")
    return number


def _next(request: Context, direction: str, event_id: int) -> str:
    """The header Link (RFC 8288) to the next page, with all other parameters as they were."""
    kept = [(name, value) for name, value in request.call.query if name != direction]
    return f'</api/events?{urlencode([*kept, (direction, str(event_id))])}>; rel="next"'
