"""The page of the matrix, and the details of its cells."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Literal

import msgspec
from markupsafe import Markup, escape
from starlette.responses import Response

from issue_tracker.clock import now
from issue_tracker.http.request import Request
from issue_tracker.http.validation import read_query
from issue_tracker.integers import RowId
from issue_tracker.issues.overview import UNMOVED_AFTER
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.queries.list_statements import UNMOVED_MARK
from issue_tracker.issues.queries.matrix import COUNTED, Column, ColumnOrder, Matrix, read_matrix
from issue_tracker.pages.cells import about_cell
from issue_tracker.pages.issue_list import find_list, link
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import fragment, page
from issue_tracker.status import RANKED, ROWS

routes = PageRoutes()

LIMIT = 300
COLUMNS = 60

CHUNK = 5
"""Number of rows that the browser lays out together, when they are scrolled near the visible area."""

MARKED_WITHIN = timedelta(minutes=1)
"""Maximum delay before an unmoved cell is marked: the response cache may serve the page for this time."""

COLUMN_PARAMETERS = ("columns", "columnSort", "unfold")

COLUMN_ORDERS: Sequence[tuple[ColumnOrder, str]] = (
    ("-open_count", "Most open"),
    ("updated_at", "Longest unmoved"),
    ("name", "By name"),
)
"""The orders of the columns. The first is the default."""

UNMOVED = f"not changed for {UNMOVED_AFTER.days} days"


class ColumnQuery(msgspec.Struct, frozen=True):
    """Which columns to show, and in which order: at most COLUMNS, all, or company groups, of which the groups with the
    ids in `unfold` are unfolded.
    """

    columns: Literal["all", "groups"] | None = None
    column_sort: ColumnOrder = msgspec.field(default=COLUMN_ORDERS[0][0], name="columnSort")
    unfold: list[RowId] = []


class MatrixView(msgspec.Struct, kw_only=True):
    """The matrix. `more` is the URL with all companies, `folds` contains for each group the URL of the page with this
    group folded or unfolded. `unaffecting` is the number of issues without any company, which the list shows and the
    matrix does not.
    """

    query: ColumnQuery
    orders: Sequence[tuple[str, str]] = COLUMN_ORDERS
    columns: list[Column] = []
    companies: int = 0
    rows: int = 0
    body: Markup = Markup("")
    grouped: bool = False
    more: str | None = None
    folds: dict[int, str] = {}
    unaffecting: int = 0


@routes.get("/matrix", cached=True)
def show_matrix(request: Request) -> Response:
    """Shows the issues × companies. Accepts the parameters of the list and those of ColumnQuery."""
    own = [(name, value) for name, value in request.parameters if name in COLUMN_PARAMETERS]
    query = read_query(own, ColumnQuery, request.settings.query_values)
    view, found, rows, status = find_list(request, "/matrix", LIMIT, COLUMN_PARAMETERS)
    shown = MatrixView(query=query)
    if found is not None:
        at = now()
        request.valid_until = min(request.valid_until or at + MARKED_WITHIN, at + MARKED_WITHIN)
        filled = request.app_state.fragments.matrix_rows(found, rows, at - UNMOVED_AFTER)
        matrix = read_matrix(
            request.tx,
            request.actor,
            found,
            filled,
            None if query.columns == "all" else COLUMNS,
            order=query.column_sort,
            unfolded=query.unfold if query.columns == "groups" else None,
        )
        shown = _view_of(request, query, matrix)
        if not view.filtered:
            shown.unaffecting = IssueList(request.tx, request.actor).count() - view.total
    response = page(request, "issues/matrix.html", place="matrix", view=view, matrix=shown)
    response.status_code = status
    return response


class CellQuery(msgspec.Struct, frozen=True):
    """The name of a cell (pages/selection.py)."""

    on: str = ""


NO_CELL = CellQuery()


@routes.get("/matrix/cell")
def show_cell(request: Request, query: CellQuery = NO_CELL) -> Response:
    """Shows the details of the cell under the pointer: a company in an issue, in words."""
    return fragment(request, "issues/cell.html", cell=about_cell(request, query.on))


def _view_of(request: Request, query: ColumnQuery, matrix: Matrix) -> MatrixView:
    others = [(name, value) for name, value in request.parameters if name not in ("columns", "unfold")]
    companies = {company_id for each in matrix.columns for company_id in (each.company_id, *each.company_ids)} - {None}

    def with_columns(columns: str, unfolded: set[int]) -> str:
        unfold = [("unfold", str(group_id)) for group_id in sorted(unfolded)]
        return link("/matrix", [*others, ("columns", columns), *unfold])

    return MatrixView(
        query=query,
        columns=matrix.columns,
        companies=matrix.companies,
        rows=len(matrix.rows),
        body=Markup(body_of(matrix)),  # noqa: S704 - escapes every name
        grouped=matrix.grouped,
        more=with_columns("all", set()) if matrix.companies > len(companies) else None,
        folds={
            each.group_id: with_columns("groups", set(query.unfold) ^ {each.group_id})
            for each in matrix.columns
            if each.group_id is not None
        },
    )


_CELLS: dict[str | None, str] = {None: "<td>"}
_CELLS |= {
    status.value + mark: f'<td class="{row.cell} old" aria-label="{row.label}, {UNMOVED}">'
    if mark
    else f'<td class={row.cell} aria-label="{row.label}">'
    for status, row in ROWS.items()
    for mark in ("", UNMOVED_MARK)
}
_RANK = {status.value + mark: rank for rank, status in enumerate(RANKED) for mark in ("", UNMOVED_MARK)}
_WORST = [ROWS[status] for status in RANKED]


def body_of(matrix: Matrix) -> str:
    """Returns the rows of the matrix as HTML. A template engine would take ten times as long per cell."""
    simple = [column.company_id for column in matrix.columns if column.company_id is not None]
    writers = [_writer(column) for column in matrix.columns] if len(simple) < len(matrix.columns) else None
    parts: list[str] = []
    for number, row in enumerate(matrix.rows):
        if number % CHUNK == 0:
            parts.append("<tbody>")
        name = escape(row.name)
        parts.append(
            f"<tr data-issue={row.issue_id}><th scope=row><label class=script>"
            f'<input type=checkbox data-row tabindex=-1 aria-label="All of {name}"></label>'
            f'<a href="/issues/{row.issue_id}" title="{name}" dir=auto>{name}</a>'
            f"<b>{len(row.open)}</b>"
        )
        if writers is None:
            parts.extend(map(_CELLS.__getitem__, map(row.cells.get, simple)))
        else:
            parts.extend([write(row.cells) for write in writers])
    return "".join(parts)


def _writer(column: Column) -> Callable[[Mapping[int, str]], str]:
    """Returns the function that writes the cells of a column."""
    if column.company_id is None:
        return lambda cells: _group_cell(column, cells)
    company_id = column.company_id
    return lambda cells: _CELLS[cells.get(company_id)]


def _group_cell(column: Column, cells: Mapping[int, str]) -> str:
    """Returns a cell with the worst status of the companies in a group, and the number of open ones."""
    statuses = [cells[company_id] for company_id in column.company_ids if company_id in cells]
    if not statuses:
        return "<td class=g>"
    worst, count = _WORST[min(_RANK[status] for status in statuses)], sum(status in COUNTED for status in statuses)
    old = any(status.endswith(UNMOVED_MARK) for status in statuses)
    text = f"{worst.label} at worst, {count} of {len(statuses)} open" + (f", one {UNMOVED}" if old else "")
    return f'<td class="g {worst.cell}{" old" * old}" aria-label="{text}">{count}'
