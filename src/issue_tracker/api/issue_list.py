"""`GET /api/issues`: the list of issues, as JSON or CSV, in pages or as a whole."""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from issue_tracker.api import issue_bodies
from issue_tracker.api.issue_bodies import CSV_EXAMPLE, ISSUE_EXAMPLE
from issue_tracker.api.issue_query import IssueQuery, filters_of, next_link, order_of, position_of
from issue_tracker.http import conditional
from issue_tracker.http.request import Request
from issue_tracker.http.responses import CSV, JSON
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.issues import transfer
from issue_tracker.issues.queries.filters import Filters, Order, Position
from issue_tracker.issues.queries.issue_list import IssueList, Row

routes = Routes("Issues")

CHUNK = 1000
"""Issues in each piece of a list without a limit: one transaction, one piece of the stream."""


@routes.get(
    "/api/issues",
    cached=True,
    returns=Returns(
        200,
        issue_bodies.IssueList,
        {"items": [ISSUE_EXAMPLE], "total": 1},
        headers=("Link",),
        media_types={CSV: CSV_EXAMPLE},
    ),
    errors=(404,),
)
def list_issues(request: Request, query: IssueQuery) -> Response:
    """List issues with their assignments, as JSON or (`format=csv` or `Accept: text/csv`) as CSV."""
    negotiated = CSV if request.prefers(CSV, JSON) else JSON
    etag = conditional.data_etag(request, negotiated)
    if conditional.is_fresh(request, etag):
        return conditional.not_modified(etag, "Accept")
    cached = request.app_state.responses.find_by_validator(etag)
    if cached is not None:
        return cached
    as_csv = query.format == "csv" or (query.format is None and negotiated == CSV)
    filters, order = filters_of(request.tx, request.actor, query), order_of(query)
    after = position_of(query)
    size = query.limit or CHUNK
    found = IssueList(request.tx, request.actor, filters, order, after=after)
    rows = found.rows(size + 1)
    more, rows = len(rows) > size, rows[:size]
    headers = {"Vary": "Accept", "ETag": etag}
    if as_csv:
        headers["Content-Disposition"] = 'attachment; filename="issues.csv"'
    if query.limit is not None and more:
        headers["Link"] = next_link("/api/issues", request.parameters, query, rows[-1].position)
    form = _Csv() if as_csv else _Json()
    first = form.opening + form.render(request, found, rows)
    if query.limit is None and more:
        total = None if after is None else found.count()
        pieces = _pieces(request, form, first, rows, filters, order, total)
        return StreamingResponse(pieces, headers=headers, media_type=form.media_type)
    whole = after is None and not more
    total = len(rows) if whole else found.count()
    response = Response(first + form.closing(total), headers=headers, media_type=form.media_type)
    request.app_state.responses.store_by_validator(etag, response)
    return response


class _Json:
    """A list as JSON, piece by piece."""

    media_type = JSON
    opening = b'{"items":['
    between = b","

    def render(self, request: Request, found: IssueList, rows: list[Row], store: bool = True) -> bytes:
        return b",".join(request.app_state.fragments.render(found, rows, store=store))

    def closing(self, total: int) -> bytes:
        return b'],"total":%d}' % total


class _Csv:
    """A list as CSV, piece by piece."""

    media_type = CSV
    opening = transfer.header().encode()
    between = b""

    def render(self, request: Request, found: IssueList, rows: list[Row], store: bool = True) -> bytes:
        return transfer.rows(found.load(rows)).encode()

    def closing(self, _total: int) -> bytes:
        return b""


async def _pieces(
    request: Request,
    form: _Json | _Csv,
    first: bytes,
    rows: list[Row],
    filters: Filters,
    order: Order,
    total: int | None,
) -> AsyncIterator[bytes]:
    """A whole list in pieces, each read in a transaction of its own, so that a slow reader holds none open.

    Without a given `total` it is the number of issues that were sent, which is true also when others write meanwhile.
    """

    def read(after: Position) -> tuple[list[Row], bytes]:
        with request.database.read(in_bulk=True) as tx:
            found = IssueList(tx, request.actor, filters, order, after=after)
            rows = found.rows(CHUNK)
            return rows, form.render(request, found, rows, store=False)

    yield first
    sent = len(rows)
    while len(rows) == CHUNK:
        last = rows[-1].position
        rows, piece = await asyncio.get_running_loop().run_in_executor(request.app_state.workers, read, last)
        sent += len(rows)
        if piece:
            yield form.between + piece
    yield form.closing(sent if total is None else total)
