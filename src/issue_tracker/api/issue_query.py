"""How a list of issues is requested: the query parameters, their meaning, and the cursor of a page."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from issue_tracker.errors import InvalidQuery
from issue_tracker.events.sync_position import PositionError, read_position
from issue_tracker.http.request import Request
from issue_tracker.issues.queries.filters import Filters, Order, Position, company_filter
from issue_tracker.names import storable
from issue_tracker.status import FINISHED, OPEN, Status

Sort = Literal["name", "-name", "updated_at", "-updated_at", "created_at", "-created_at"]


class IssueQuery(msgspec.Struct, kw_only=True):
    """Which issues to list, in which order and form (specification; contract, sections 4 and 5)."""

    search: Annotated[
        str, Meta(max_length=255, description="A part of the name or description; case does not matter.")
    ] = ""
    status: Annotated[list[Status], Meta(description="Only assignments in one of these statuses.")] = []
    company_id: Annotated[
        list[Annotated[int, Meta(ge=1, le=2**63 - 1)]], Meta(description="Only assignments of one of these companies.")
    ] = msgspec.field(default_factory=list, name="companyId")
    company_name: Annotated[str, Meta(description="Only assignments of the company with this name.")] = msgspec.field(
        default="", name="companyName"
    )
    company_group: Annotated[str, Meta(description="Only assignments of the companies of this group.")] = msgspec.field(
        default="", name="companyGroup"
    )
    open: Annotated[
        bool | None, Meta(description="`true`: only assignments that are not resolved or closed; `false`: only those.")
    ] = None
    updated_since: Annotated[
        Annotated[datetime, Meta(tz=True)] | None, Meta(description="Only issues changed at or after this instant.")
    ] = msgspec.field(default=None, name="updatedSince")
    changed_since: Annotated[
        str,
        Meta(description="Only issues that were changed since the response with this X-Sync-Position."),
    ] = msgspec.field(default="", name="changedSince")
    sort: Annotated[Sort, Meta(description="The order; a minus turns it around.")] = "name"
    limit: Annotated[
        Annotated[int, Meta(ge=1, le=500)] | None,
        Meta(description="At most so many issues; the header Link leads to the next."),
    ] = None
    cursor: Annotated[str, Meta(description="Where to go on; taken from the header Link.")] = ""
    format: Annotated[Literal["json", "csv"] | None, Meta(description="`csv` for a spreadsheet.")] = None


def filters_of(request: Request, query: IssueQuery) -> Filters:
    """The filters of a query.

    Raises NotFound for an unknown company or group, InvalidQuery for a position from before a restore.
    """
    if not storable(query.search):
        raise InvalidQuery.field("search", "must not contain NUL characters")
    statuses: tuple[Status, ...] | None = tuple(dict.fromkeys(query.status)) if query.status else None
    if query.open is not None:
        chosen = OPEN if query.open else FINISHED
        statuses = chosen if statuses is None else tuple(status for status in statuses if status in chosen)
    try:
        position = query.changed_since
        changed_since = read_position(request.tx, history_of(request), position) if position else None
    except PositionError as error:
        raise InvalidQuery.field("changedSince", str(error)) from None
    return Filters(
        search=query.search.strip(),
        statuses=statuses,
        company_ids=company_filter(
            request.tx, request.actor, query.company_id, query.company_name, query.company_group
        ),
        updated_since=query.updated_since,
        changed_since=changed_since,
    )


def history_of(request: Request) -> str:
    """Which history a position is in: another company access sees another one, and has to start over."""
    return request.app_state.history.identity + request.actor.company_access.key


def order_of(query: IssueQuery) -> Order:
    """The order of a query."""
    return Order(query.sort.lstrip("-"), query.sort.startswith("-"))


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    sort: str
    value: str
    issue_id: Annotated[int, Meta(ge=1, le=2**63 - 1)]


def position_of(query: IssueQuery) -> Position | None:
    """Where a page starts, from its cursor. Raises InvalidQuery for one that is not of this list."""
    if not query.cursor:
        return None
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        cursor = msgspec.msgpack.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Cursor)
        value = cursor.value if order_of(query).by == "name" else datetime.fromisoformat(cursor.value)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidQuery.field("cursor", "is not a cursor of this list; take it from the header Link") from None
    if (
        cursor.sort != query.sort
        or not storable(cursor.value)
        or (isinstance(value, datetime) and value.tzinfo is None)
    ):
        raise InvalidQuery.field("cursor", "belongs to another order of this list")
    return Position(value, cursor.issue_id)


def next_link(path: str, parameters: Sequence[tuple[str, str]], query: IssueQuery, last: Position) -> str:
    """The header Link (RFC 8288) to the page after `last`, with all other parameters as they were."""
    value = last.value if isinstance(last.value, str) else last.value.isoformat()
    packed = msgspec.msgpack.encode(_Cursor(query.sort, value, last.issue_id))
    cursor = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    others = [(name, value) for name, value in parameters if name != "cursor"]
    return f'<{path}?{urlencode([*others, ("cursor", cursor)])}>; rel="next"'
