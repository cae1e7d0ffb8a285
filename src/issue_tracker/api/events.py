"""The history over HTTP, as a list and as a live stream (contract, section 7)."""

from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.api.event_stream import EventStreamResponse
from issue_tracker.auth.credentials import Credential
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Event, EventType
from issue_tracker.events.listener import Listener
from issue_tracker.events.order import settled_until
from issue_tracker.events.queries.search import EventFilters, Selection
from issue_tracker.http import conditional
from issue_tracker.http.request import Request
from issue_tracker.http.responses import EVENT_STREAM, json_response
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.http.validation import SearchText
from issue_tracker.integers import Cursor
from issue_tracker.names import whole_number

routes = Routes("History")


class EventList(msgspec.Struct):
    """A page of the history. `total` is exact unless `total_exact` is false: then there are more."""

    items: list[Event]
    total: int
    total_exact: bool


class EventQuery(msgspec.Struct, kw_only=True):
    """The filters of the history. Events are listed newest first; with `after`, oldest first."""

    issue_name: Annotated[
        str,
        Meta(max_length=255, description="Events about the issue with this name, now or at the time of the event."),
    ] = msgspec.field(default="", name="issueName")
    company_name: Annotated[
        str,
        Meta(max_length=255, description="Events about the company with this name, now or at the time of the event."),
    ] = msgspec.field(default="", name="companyName")
    type: Annotated[list[EventType], Meta(description="Only events of one of these types.")] = []
    actor: Annotated[SearchText, Meta(max_length=255, description="Only actions of this user, by id or name.")] = ""
    request_id: Annotated[SearchText, Meta(max_length=128, description="Only the events of this request.")] = (
        msgspec.field(default="", name="requestId")
    )
    after: Annotated[Cursor | None, Meta(description="Only events with a higher event_id, the oldest first.")] = None
    before: Annotated[Cursor | None, Meta(description="Only events with a lower event_id.")] = None
    limit: Annotated[
        int, Meta(ge=1, le=500, description="Maximum number of events; the Link header leads to the next page.")
    ] = 100


EVENT_EXAMPLE: dict[str, Any] = {
    "event_id": 311,
    "type": "assignment.status_changed",
    "at": "2025-01-09T08:45:00+00:00",
    "actor": {"id": 2, "name": "Tess Ngo", "channel": "session"},
    "request_id": "5c1f0b6e9a7d4c7f8d8b3c6f0e2a9d41",
    "issue_id": 7,
    "issue_name": "Network degradation",
    "company_id": 3,
    "company_name": "Acme Manufacturing",
    "field": None,
    "from": "investigating",
    "to": "resolved",
    "note": "Carrier confirms the repair",
    "update_id": None,
    "undoes": None,
}


@routes.get(
    "/api/events",
    transaction=False,
    returns=Returns(200, EventList, {"items": [EVENT_EXAMPLE], "total": 1, "total_exact": True}, headers=("Link",)),
    errors=(404,),
)
def list_events(request: Request, query: EventQuery) -> Response:
    """List the history: who changed what, when, and why. Only super admins see audit events."""
    # A client that continues after the last id it has seen must not miss an event that appears late.
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
    response = json_response(EventList(items, total, exact))
    if any(event.type.audit for event in items):
        response.headers["cache-control"] = conditional.NO_STORE
    if more:
        direction = "before" if query.after is None else "after"
        response.headers["link"] = _next(request, direction, items[-1].event_id)
    return conditional.with_validator(request, response)


class StreamQuery(msgspec.Struct, kw_only=True):
    """The start of a stream, for clients that cannot set a header. `Last-Event-ID` takes precedence."""

    after: Annotated[Cursor | None, Meta(description="Start after this event_id instead of now.")] = None


STREAM_EXAMPLE = f"""id: 311
event: assignment.status_changed
data: {msgspec.json.encode(EVENT_EXAMPLE).decode()}

"""


@routes.get(
    "/api/events/stream",
    transaction=False,
    returns=Returns(200, media_types={EVENT_STREAM: STREAM_EXAMPLE}),
    errors=(400, 429),
)
def stream_events(request: Request, query: StreamQuery) -> Response:
    """Stream events as they happen, as Server-Sent Events.

    `id` is the event_id, `event` the type, `data` the event. Send `Last-Event-ID` to continue after that event. The
    stream ends with the session or token. Only super admins receive audit events.
    """
    identity = request.identity
    assert identity is not None
    if identity.session is not None:
        credential = Credential("session", identity.session.id)
    else:
        assert identity.token is not None
        credential = Credential("token", identity.token.id)
    actor = request.actor
    listener = Listener(credential, audit=actor.super_admin, access=actor.company_access)
    after = _last_event_id(request)
    return EventStreamResponse(request, listener, query.after if after is None else after)


def _last_event_id(request: Request) -> int | None:
    text = (request.header("last-event-id") or "").strip()
    if not text:
        return None
    number = whole_number(text)
    if number is None:
        raise Invalid("Last-Event-ID must be the event_id of an event.")
    return number


def _next(request: Request, direction: str, event_id: int) -> str:
    """Returns the Link header (RFC 8288) to the next page, with all other parameters unchanged."""
    others = [(name, value) for name, value in request.parameters if name != direction]
    return f'</api/events?{urlencode([*others, (direction, str(event_id))])}>; rel="next"'
