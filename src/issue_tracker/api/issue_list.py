"""`GET /api/issues`: the list of issues, as JSON or CSV, in pages or as a whole."""

from collections.abc import AsyncIterator, Iterator

import msgspec
from starlette.responses import Response, StreamingResponse

from issue_tracker.api import issue_bodies
from issue_tracker.api.issue_bodies import CSV_EXAMPLE, ISSUE_EXAMPLE
from issue_tracker.api.issue_query import (
    DETAILS,
    ME,
    IssueQuery,
    depends_on_time,
    filters_of,
    history_of,
    next_url,
    order_of,
    position_of,
)
from issue_tracker.api.validators import list_etag
from issue_tracker.clock import now
from issue_tracker.events.catalog import EventType
from issue_tracker.events.order import Watermark, limited
from issue_tracker.events.queries.log import LogState, get_log_state
from issue_tracker.events.sync_position import write_position
from issue_tracker.http import conditional
from issue_tracker.http.request import Request
from issue_tracker.http.responses import CSV, JSON
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.issues import transfer
from issue_tracker.issues.queries.filters import Filters, Order, Position, Row
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.queries.owners import Emails, emails_of, list_changed_owners

routes = Routes("Issues")

CHUNK = 1000
"""Number of issues that one transaction reads for a list without a limit."""

PIECE_BYTES = 1024 * 1024
"""Approximate size of the pieces in which a list is sent. A slow reader holds one piece in memory, however many
companies the issues have.
"""

WHOLE_BYTES = 2 * 1024 * 1024
"""Approximate maximum size of a whole list as a single response, which the response cache shares between readers."""

SLICE_BYTES = 64 * 1024
"""Size of the slices that are passed to the server. It accepts one slice more than the client reads; with whole pieces,
it would hold one piece while the next one is made.
"""

STORED_BYTES = 5 * 1024 * 1024
"""Approximate size of one list's part in the fragment cache: more would evict fragments that other requests need."""

FIRST_STEP, LARGEST_STEP = 8, 200
"""Number of issues of a piece that are loaded together: first few, then as many as are expected to fill the piece."""


@routes.get(
    "/api/issues",
    cached=True,
    returns=Returns(
        200,
        issue_bodies.IssueList,
        {"items": [ISSUE_EXAMPLE], "total": 1},
        headers=("Link", "X-Sync-Position"),
        media_types={CSV: CSV_EXAMPLE},
    ),
    errors=(404,),
)
def list_issues(request: Request, query: IssueQuery) -> Response:
    """List issues with their assignments, as JSON or (`format=csv` or `Accept: text/csv`) as CSV."""
    negotiated = CSV if request.prefers(CSV, JSON) else JSON
    state, access, watermarks = get_log_state(request.tx), request.actor.company_access, request.app_state.watermarks
    watermark, filters, representation, whole_log = None, None, negotiated, Watermark(state.last_event_id)
    if not access.all:
        whole_log = watermarks.watermark_of(request.tx, state)
        state, watermark = limited(request.tx, access, whole_log)
        representation += _visible_names(request, query, filters := filters_of(request, query), state)
    else:
        state = watermarks.data_state(request.tx, state)
    if query.owner == ME:
        representation += f" {request.actor.user_id}"
    if depends_on_time(query):
        representation += f" {now().isoformat(timespec='seconds')}"
        request.valid_until = now()
    etag = list_etag(request, state, representation)
    as_csv = query.format == "csv" or (query.format is None and negotiated == CSV)
    cache_control = conditional.NO_STORE if as_csv else conditional.CACHE_CONTROL
    if conditional.is_fresh(request, etag):
        return conditional.not_modified(etag, "Accept", cache_control)
    if as_csv:
        _note_export(request)
    cached = request.app_state.responses.find_by_validator(etag)
    if cached is not None:
        return cached
    filters, order, after = filters or filters_of(request, query), order_of(query), position_of(query)
    size = query.limit or CHUNK
    found = IssueList(request.tx, request.actor, filters, order, after=after)
    find_watermark = watermarks.send_watermark_of(request.tx, state, watermark)
    rows = found.rows(size + 1, counted=query.limit is not None)

    def count() -> int:
        return request.app_state.totals.count(request.tx, found, history_of(request), whole_log)

    more, rows = len(rows) > size, rows[:size]
    headers = {"Vary": "Accept", "ETag": etag, "Cache-Control": cache_control}
    headers |= {"X-Sync-Position": write_position(history_of(request), find_watermark(), state)}
    if as_csv:
        headers["Content-Disposition"] = 'attachment; filename="issues.csv"'
    if query.limit is not None and more:
        headers["Link"] = f'<{next_url("/api/issues", request.parameters, query, rows[-1].position)}>; rel="next"'
    form = (_Csv if as_csv else _Json)(details=query.include == DETAILS)
    endless = query.limit is None and more
    parts, sent = _piece(request, form, found, rows, store=True, whole=not endless)
    if endless or sent < len(rows):
        position = rows[sent - 1].position
        remaining = None if endless else len(rows) - sent
        following = _Following(filters, order, position, sent, remaining, sum(map(len, parts)))
        total = None if query.limit is None and after is None else count()
        pieces = _pieces(request, form, parts, following, total)
        return StreamingResponse(pieces, headers=headers, media_type=form.media_type)
    whole = after is None and not more
    total = len(rows) if whole else count()
    body = b"".join((form.opening, form.between.join(parts), form.closing(total)))
    response = Response(body, headers=headers, media_type=form.media_type)
    request.app_state.responses.store_by_validator(etag, response)
    return response


def _note_export(request: Request) -> None:
    """Records an export in the audit; the response to HEAD contains none. The response cache would send the response
    again without recording that.
    """
    request.valid_until = now()
    if request.method != "HEAD":
        request.app_state.deferred_events.note(EventType.DATA_EXPORTED, request.actor, "issues as CSV", request.address)


def _visible_names(request: Request, query: IssueQuery, filters: Filters, state: LogState) -> str:
    """Returns the data in a list that hidden events can change if the company access is limited: the companies of a
    group, the names of owners that may have changed after the last event of `state`, and their addresses.
    """
    owners = list_changed_owners(request.tx, request.actor, state.at)
    parts: list[object] = [filters.company_ids, owners]
    if query.include == DETAILS:
        parts.append(emails_of(request.tx, request.actor))
    return "".join(f" {part}" for part in parts)


class _Json:
    """A list as JSON, piece by piece."""

    media_type = JSON
    opening = b'{"items":['
    between = b","

    def __init__(self, *, details: bool) -> None:
        self._details = details

    def render(self, request: Request, found: IssueList, rows: list[Row], store: bool = True) -> bytes:
        return b",".join(request.app_state.fragments.render(found, rows, store=store, details=self._details))

    def closing(self, total: int) -> bytes:
        return b'],"total":%d}' % total


class _Csv:
    """A list as CSV, piece by piece."""

    media_type = CSV
    between = b""

    def __init__(self, *, details: bool) -> None:
        self._details = details
        self._emails: Emails | None = None
        self.opening = transfer.header(details=details).encode()

    def render(self, request: Request, found: IssueList, rows: list[Row], store: bool = True) -> bytes:
        if self._details and self._emails is None:
            # Read once, in the transaction of the request; later pieces have their own transactions.
            self._emails = emails_of(request.tx, request.actor)
        return transfer.rows(found.load(rows, details=self._details), self._emails).encode()

    def closing(self, _total: int) -> bytes:
        return b""


def _piece(
    request: Request, form: _Json | _Csv, found: IssueList, rows: list[Row], *, store: bool, whole: bool = False
) -> tuple[list[bytes], int]:
    """Returns the first of these rows, in parts of about PIECE_BYTES in total, and the number of rows in them.

    With `whole`, the rows are the whole list: all of them are returned if they seem to fit into WHOLE_BYTES.
    """
    parts: list[bytes] = []
    size, done, step, limit = 0, 0, FIRST_STEP, PIECE_BYTES
    while done < len(rows) and size < limit:
        loaded = rows[done : done + step]
        part = form.render(request, found, loaded, store)
        done += len(loaded)
        if part:
            parts.append(part)
            size += len(part)
        limit = WHOLE_BYTES if whole and size * len(rows) <= WHOLE_BYTES * done else PIECE_BYTES
        step = max(1, min(LARGEST_STEP, (limit - size) * done // max(size, 1)))
    return parts, done


def _slices(parts: list[bytes], between: bytes, *, following: bool = False) -> Iterator[bytes]:
    """Yields the parts as they are sent; with `following`, after other parts. Each is released after it was sent."""
    for number in range(len(parts)):
        part = parts.pop(0)
        if between and (number or following):
            yield between
        for start in range(0, len(part), SLICE_BYTES):
            yield part[start : start + SLICE_BYTES]


class _Following(msgspec.Struct):
    """Where a list continues after a piece: `sent` issues were sent, at most `remaining` follow (None: all). `size` is
    the total size of everything that was read, in bytes.
    """

    filters: Filters
    order: Order
    position: Position
    sent: int
    remaining: int | None
    size: int


async def _pieces(
    request: Request, form: _Json | _Csv, parts: list[bytes], following: _Following, total: int | None
) -> AsyncIterator[bytes]:
    """Yields a list in pieces, each read in a separate transaction, so that a slow reader holds none open.

    If `total` is None, it is the number of issues that were sent, which is right even if others write meanwhile.
    """

    def read() -> tuple[list[bytes], int]:
        with request.database.read(in_bulk=True) as tx:
            found = IssueList(tx, request.actor, following.filters, following.order, after=following.position)
            rows = found.rows(CHUNK if following.remaining is None else min(CHUNK, following.remaining))
            parts, done = _piece(request, form, found, rows, store=following.size < STORED_BYTES)
            following.size += sum(map(len, parts))
            if rows:
                following.position = rows[done - 1].position
            return parts, done

    yield form.opening
    for slice_ in _slices(parts, form.between):
        yield slice_
    while following.remaining != 0:
        parts, done = await request.app_state.workers.resume(read)
        if not done:
            break
        following.sent += done
        if following.remaining is not None:
            following.remaining -= done
        for slice_ in _slices(parts, form.between, following=True):
            yield slice_
    yield form.closing(following.sent if total is None else total)
