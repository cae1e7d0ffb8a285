"""The request for a list of issues: its query parameters, their meaning, and the cursor of a page."""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from issue_tracker.api.status_filter import OpenFilter, StatusFilter, selected_statuses
from issue_tracker.clock import now
from issue_tracker.errors import InvalidQuery
from issue_tracker.events.order import Watermark
from issue_tracker.events.sync_position import PositionError, read_position
from issue_tracker.field_errors import FieldErrors
from issue_tracker.http.request import Request
from issue_tracker.http.validation import SearchText
from issue_tracker.integers import RowId
from issue_tracker.issues.models import Severity
from issue_tracker.issues.queries.attention import Place
from issue_tracker.issues.queries.filters import Filters, Order, Position, company_filter
from issue_tracker.issues.queries.open_order import OPEN_COUNT
from issue_tracker.issues.queries.owners import list_technicians
from issue_tracker.issues.queries.words import split_words
from issue_tracker.names import key, storable

LARGEST_COUNT = 2**31 - 1

ATTENTION, ME, NOBODY, DETAILS = "attention", "me", "none", "details"

Sort = Literal[
    "name",
    "-name",
    "updated_at",
    "-updated_at",
    "created_at",
    "-created_at",
    "open_count",
    "-open_count",
    "attention",
]


class IssueQuery(msgspec.Struct, kw_only=True):
    """The filters, the order and the form of a list of issues (specification; contract, sections 4 and 5)."""

    search: Annotated[
        SearchText, Meta(max_length=255, description="A part of the name or description; case does not matter.")
    ] = ""
    words: Annotated[
        SearchText,
        Meta(
            max_length=255,
            description="Words that must all occur, each in the name, in the description or in the name of an affected "
            "company. Words in quotation marks count as one word. Words after the eighth are ignored.",
        ),
    ] = ""
    status: StatusFilter = []
    company_id: Annotated[list[RowId], Meta(description="Only assignments of one of these companies.")] = msgspec.field(
        default_factory=list, name="companyId"
    )
    company_name: Annotated[str, Meta(description="Only assignments of the company with this name.")] = msgspec.field(
        default="", name="companyName"
    )
    company_group: Annotated[
        list[str], Meta(description="Only assignments of the companies of one of these groups.")
    ] = msgspec.field(default_factory=list, name="companyGroup")
    exclude: Annotated[list[SearchText], Meta(description="No assignments of the companies with these names.")] = []
    open: OpenFilter = None
    updated_since: Annotated[
        Annotated[datetime, Meta(tz=True)] | None, Meta(description="Only issues changed at or after this instant.")
    ] = msgspec.field(default=None, name="updatedSince")
    changed_since: Annotated[
        str,
        Meta(description="Only issues changed since the response with this X-Sync-Position."),
    ] = msgspec.field(default="", name="changedSince")
    severity: Annotated[list[Severity], Meta(description="Only issues with one of these severities.")] = []
    owner: Annotated[
        SearchText,
        Meta(
            max_length=254,
            description="Only issues that this technician owns, entirely or for a company: an email address, or `me`. "
            "`none`: only issues without an owner.",
        ),
    ] = ""
    tag: Annotated[SearchText, Meta(max_length=255, description="Only issues with this tag; case does not matter.")] = (
        ""
    )
    reference: Annotated[
        SearchText,
        Meta(
            max_length=511,
            description="Only issues with this reference, or with an assignment that has it: its key, or `system:key`.",
        ),
    ] = ""
    overdue: Annotated[bool | None, Meta(description="`true`: only unfinished issues whose next update was due.")] = (
        None
    )
    unmoved_days: Annotated[
        Annotated[int, Meta(ge=1, le=3650)] | None,
        Meta(description="Only unfinished issues that were not changed for this number of days."),
    ] = msgspec.field(default=None, name="unmovedDays")
    include: Annotated[
        Literal["details"] | None,
        Meta(description="`details`: assignments also have affected_since, owner and references."),
    ] = None
    sort: Annotated[
        Sort,
        Meta(
            description="The order; a minus reverses it. `open_count`: how many of the listed assignments are open. "
            "`attention`: overdue, unowned, longest unchanged first."
        ),
    ] = "name"
    limit: Annotated[
        Annotated[int, Meta(ge=1, le=500)] | None,
        Meta(description="Maximum number of issues; the Link header leads to the next page."),
    ] = None
    cursor: Annotated[str, Meta(description="Where to continue; taken from the Link header.")] = ""
    format: Annotated[Literal["json", "csv"] | None, Meta(description="`csv` for a spreadsheet.")] = None


def filters_of(request: Request, query: IssueQuery) -> Filters:
    """Returns the filters of a query.

    Raises InvalidQuery for a position from before a restore, an unknown owner, and a cursor of another list; then
    NotFound for an unknown company or group (contract, section 2).
    """
    at, changed_since, owner = None, None, None
    errors = FieldErrors()
    with errors.collected():
        changed_since = _changed_since(request, query.changed_since)
    with errors.collected():
        owner = _owner_of(request, query.owner)
    with errors.collected():
        position_of(query)
        at = _instant_of(query)
    errors.raise_found(InvalidQuery)
    return Filters(
        search=query.search.strip(),
        words=split_words(query.words),
        statuses=selected_statuses(query.status, query.open),
        company_ids=company_filter(
            request.tx,
            request.actor,
            query.company_id,
            query.company_name,
            query.company_group,
            exclude=query.exclude,
        ),
        updated_since=query.updated_since,
        changed_since=changed_since,
        severities=tuple(dict.fromkeys(query.severity)) or None,
        owner=owner,
        unowned=query.owner == NOBODY,
        tag=key(query.tag) or None,
        reference=key(query.reference) or None,
        overdue=query.overdue,
        unmoved_since=at - timedelta(days=query.unmoved_days) if at and query.unmoved_days else None,
        at=at,
    )


def _changed_since(request: Request, position: str) -> Watermark | None:
    try:
        return read_position(request.tx, history_of(request), position) if position else None
    except PositionError as error:
        raise InvalidQuery.field("changedSince", str(error)) from None


def depends_on_time(query: IssueQuery) -> bool:
    """Returns whether the response may change without any change of data."""
    return query.overdue is not None or query.unmoved_days is not None or query.sort == ATTENTION


def _instant_of(query: IssueQuery) -> datetime | None:
    """Returns the time for `overdue`: now, or on a later page that of the first page. None if nothing depends on it, so
    that equal queries have equal filters (issues/totals.py).
    """
    if not depends_on_time(query):
        return None
    if query.sort == ATTENTION and (position := position_of(query)) is not None:
        return Place.read(str(position.value)).at
    return now()


def _owner_of(request: Request, owner: str) -> int | None:
    if owner in ("", NOBODY):
        return None
    if owner == ME:
        return request.actor.user_id
    for user in list_technicians(request.tx, request.actor):
        if key(user.email) == key(owner):
            return user.user_id
    raise InvalidQuery.field("owner", "must be the email address of a technician, me or none")


def history_of(request: Request) -> str:
    """Returns the history of positions: another company access sees another history, and has to start over."""
    return request.app_state.history.identity + request.actor.company_access.key


def order_of(query: IssueQuery) -> Order:
    """Returns the order of a query."""
    return Order(query.sort.lstrip("-"), query.sort.startswith("-"))


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    sort: str
    value: str
    issue_id: RowId


def _sort_value(query: IssueQuery, text: str) -> str | datetime:
    """Returns the sort value in a cursor. Raises ValueError for one of another order."""
    if query.sort == ATTENTION:
        return Place.read(text).text
    by = order_of(query).by
    if by == OPEN_COUNT:
        return str(max(0, min(int(text), LARGEST_COUNT)))
    return text if by == "name" else datetime.fromisoformat(text)


def position_of(query: IssueQuery) -> Position | None:
    """Returns the start of a page, from its cursor. Raises InvalidQuery for a cursor of another list."""
    if not query.cursor:
        return None
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        cursor = msgspec.msgpack.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Cursor)
        value = _sort_value(query, cursor.value)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidQuery.cursor() from None
    if (
        cursor.sort != query.sort
        or not storable(cursor.value)
        or (isinstance(value, datetime) and value.tzinfo is None)
    ):
        raise InvalidQuery.field("cursor", "belongs to another order of this list")
    return Position(value, cursor.issue_id)


def next_url(path: str, parameters: Sequence[tuple[str, str]], query: IssueQuery, last: Position) -> str:
    """Returns the URL of the page after `last`, with all other parameters unchanged."""
    value = last.value if isinstance(last.value, str) else last.value.isoformat()
    packed = msgspec.msgpack.encode(_Cursor(query.sort, value, last.issue_id))
    cursor = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    others = [(name, value) for name, value in parameters if name != "cursor"]
    return f"{path}?{urlencode([*others, ('cursor', cursor)])}"
