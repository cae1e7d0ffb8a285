"""The pages of issues: the list, the matrix, one issue, a new one. Rules are in operations, reads in queries."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any
from urllib.parse import urlencode

import msgspec
from markupsafe import escape

from issue_tracker.clock import iso
from issue_tracker.companies.queries import get_company
from issue_tracker.errors import AppError, FieldError, InvalidQuery, NotFound
from issue_tracker.events.history import Entry, issue_history, last_edit
from issue_tracker.issues import operations, queries
from issue_tracker.issues.api import IssueChange, NewIssue
from issue_tracker.issues.listing import IssueQuery, filters_of, next_link, order_of, position_of
from issue_tracker.issues.matrix import Column, Matrix, read_matrix
from issue_tracker.issues.overview import Group, Tally, detail, group
from issue_tracker.issues.queries import Filters, Row
from issue_tracker.names import one_newline
from issue_tracker.status import LABELS, Status
from issue_tracker.web.answer import Answer
from issue_tracker.web.context import Access, Context
from issue_tracker.web.navigation import redirect
from issue_tracker.web.pages import Form, PageRoutes, read
from issue_tracker.web.templating import Flash, FormView, flash_cookie, page
from issue_tracker.web.validation import read_query

routes = PageRoutes()

LIST_LIMIT = 50
MATRIX_LIMIT = 300
MATRIX_COLUMNS = 60
CHUNK = 5
"""Rows of the matrix that the browser lays out together, when they come near."""

SORTS: Sequence[tuple[str, str]] = (
    ("", "By name"),
    ("updated_at", "Longest unmoved"),
    ("-updated_at", "Last changed"),
    ("-created_at", "Newest"),
)
LETTERS = {"new": "n", "investigating": "i", "in_progress": "p", "monitoring": "m", "resolved": "r", "closed": "c"}


class ListView(msgspec.Struct, kw_only=True):
    """The filters as asked for, and what they found. `wrong` says what is wrong by field, or under `others`."""

    search: str = ""
    statuses: list[str] = []
    open: str = ""
    company_name: str = ""
    companies: Sequence[tuple[str, str]] = ()
    since: str = ""
    since_at: str | None = None
    wrong: dict[str, str] = {}
    totals: Tally
    sorts: Sequence[tuple[str, str]] | None = SORTS
    sort: str = ""
    csv: str = ""
    as_list: str = "/"
    filtered: bool = False
    paged: bool = False
    first: str = "/"
    next: str | None = None
    limit: int = LIST_LIMIT
    total: int = 0
    groups: Sequence[Group] = ()
    columns: Sequence[Column] = ()
    column_count: int = 0
    row_count: int = 0
    more_columns: str | None = None
    body: str = ""


@routes.get("/", kept=True)
def show_list(request: Context) -> Answer:
    """The issues, in groups. Its parameters are the API's, so that a view turns into a script."""
    view, filters, rows, status = _found(request, "/", LIST_LIMIT)
    if filters is not None:
        found = queries.load_issues(request.tx, request.actor, [row.issue_id for row in rows], filters)
        view.groups = [group(issue) for issue in found]
    return page(request, "issues/list.html", place="issues", status=status, view=view)


@routes.get("/matrix", kept=True)
def show_matrix(request: Context) -> Answer:
    """Issues × companies. Takes the list's parameters, and `columns=all` for every company."""
    view, filters, rows, status = _found(request, "/matrix", MATRIX_LIMIT)
    view.sorts = None
    if filters is not None:
        everything = ("columns", "all") in request.call.query
        ids = [row.issue_id for row in rows]
        matrix = read_matrix(request.tx, request.actor, ids, filters, None if everything else MATRIX_COLUMNS)
        view.columns, view.column_count, view.row_count = matrix.columns, matrix.companies, len(matrix.rows)
        if matrix.companies > len(matrix.columns):
            view.more_columns = _link("/matrix", [*request.call.query, ("columns", "all")])
        view.body = matrix_body(matrix)
    return page(request, "issues/matrix.html", place="matrix", status=status, view=view)


def _found(request: Context, path: str, limit: int) -> tuple[ListView, Filters | None, list[Row], int]:
    """The view without its content, and the rows; None as filters, and a status, where a filter is wrong."""
    parameters = [(name, value) for name, value in request.call.query if name != "columns"]
    shared = [(name, value) for name, value in parameters if name not in ("cursor", "limit")]
    try:
        query = read_query(parameters, IssueQuery)
        filters, order, after = filters_of(request.tx, query), order_of(query), position_of(query)
    except (InvalidQuery, NotFound) as refused:
        return _wrong(shared, refused), None, [], refused.status
    shown = list(shared)
    if path == "/matrix" and filters.statuses is None:
        filters = msgspec.structs.replace(filters, statuses=tuple(Status))
        shown += [("status", status.value) for status in Status]
    size = query.limit or limit
    rows = queries.list_rows(request.tx, request.actor, filters, order, after=after, limit=size + 1)
    more, rows = len(rows) > size, rows[:size]
    counts = queries.count_statuses(request.tx, request.actor, filters)
    total = queries.count_issues(request.tx, request.actor, filters)
    view = ListView(
        search=query.search,
        statuses=[status.value for status in query.status],
        open="" if query.open is None else str(query.open).lower(),
        company_name=query.company_name,
        companies=[(str(each), get_company(request.tx, each).name) for each in dict.fromkeys(query.company_id)],
        since=dict(shared).get("updatedSince", "") if query.updated_since else "",
        since_at=iso(query.updated_since.astimezone(UTC)) if query.updated_since else None,
        totals=[(status.value, counts.get(status, 0)) for status in Status],
        sort=query.sort if query.sort != "name" else "",
        csv=_link("/api/issues", [*shown, ("format", "csv")]),
        as_list=_link("/", shown),
        filtered=bool(shared) and bool(total or queries.count_issues(request.tx, request.actor, Filters())),
        paged=after is not None,
        first=_link(path, shared),
        limit=size,
        total=total,
    )
    if more:
        link = next_link(path, request.call.query, query, rows[-1].position)
        view.next = link[1 : link.index(">")]
    return view, filters, rows, 200


def _wrong(asked: Sequence[tuple[str, str]], refused: AppError) -> ListView:
    """The view of filters that are refused: all that was asked for, nothing found."""
    given = dict(asked)
    # Without fields it is a company that there is none of: by its name, unless ids were given too.
    home = "others" if "companyId" in given else "companyName"
    wrong: dict[str, str] = {}
    for each in refused.fields or (FieldError(home, refused.detail),):
        place = each.field if each.field in ("search", "companyName") else "others"
        named = each.message if place == each.field else f"{each.field}: {each.message}"
        wrong[place] = f"{wrong.get(place, '')} {named[:1].upper()}{named[1:].rstrip('.')}.".strip()
    return ListView(
        search=given.get("search", ""),
        statuses=[value for name, value in asked if name == "status"],
        open=given.get("open", ""),
        company_name=given.get("companyName", ""),
        companies=[(value, f"company {value}") for name, value in asked if name == "companyId"],
        since=given.get("updatedSince", ""),
        wrong=wrong,
        totals=[(status.value, 0) for status in Status],
        sort=given.get("sort", ""),
        csv=_link("/api/issues", [*asked, ("format", "csv")]),
        filtered=True,
    )


def matrix_body(matrix: Matrix) -> str:
    """The rows of the matrix as HTML. Written by hand: a template engine would take ten times as long per cell."""
    filled = {status.value: f'<td class={LETTERS[status]} aria-label="{label}">' for status, label in LABELS.items()}
    ids = [column.company_id for column in matrix.columns]
    parts: list[str] = []
    for number, row in enumerate(matrix.rows):
        if number % CHUNK == 0:
            parts.append("<tbody>")
        name, cells = escape(row.name), row.cells
        parts.append(
            f"<tr data-issue={row.issue_id}><th scope=row><label class=script>"
            f'<input type=checkbox data-row tabindex=-1 aria-label="All of {name}"></label>'
            f'<a href="/issues/{row.issue_id}" title="{name}" dir=auto>{name}</a>'
        )
        parts.extend([filled[cells[company_id]] if company_id in cells else "<td>" for company_id in ids])
    return "".join(parts)


@routes.get("/issues/new")
def show_new(request: Context) -> Answer:
    """The form of a new issue."""
    return _new(request, FormView({"status": "new"}))


def _new_refused(request: Context, form: Form, error: AppError) -> Answer:
    view = FormView(form.values, error, home="companies" if isinstance(error, NotFound) else None)
    return _new(request, view, status=error.status)


def _new(request: Context, form: FormView, status: int = 200) -> Answer:
    return page(request, "issues/new.html", place="issues", status=status, form=form)


@routes.post("/issues/new", refused=_new_refused)
def create(request: Context, form: Form) -> Answer:
    """Creates an issue with its companies, all in one status."""
    body = read(
        {"name": form.get("name"), "description": form.get("description"), "companies": _companies(form)}, NewIssue
    )
    members = [operations.NewAssignment(each.company_name, each.status) for each in body.companies or ()]
    issue = operations.create_issue(request.tx, request.actor, body.name, body.description, members)
    return redirect(f"/issues/{issue.issue_id}", flash_cookie(Flash("Created.")))


@routes.get("/issues/{issue_id}")
def show_issue(request: Context, issue_id: int) -> Answer:
    """One issue: its companies, stragglers first, and its history."""
    return _issue(request, issue_id)


def _issue(
    request: Context, issue_id: int, *, edit: FormView | None = None, add: FormView | None = None, status: int = 200
) -> Answer:
    head = queries.get_issue_head_by_id(request.tx, request.actor, issue_id)
    shown = detail(queries.load_issues(request.tx, request.actor, [issue_id])[0])
    before = dict(request.call.query).get("before", "")
    return page(
        request,
        "issues/detail.html",
        place="issues",
        status=status,
        issue=shown,
        edit=edit or FormView({"name": head.name, "description": head.description or ""}),
        add=add or FormView({"status": "new"}),
        history=issue_history(request.tx, request.actor, issue_id, before),
    )


def _edit_refused(request: Context, form: Form, issue_id: int, error: AppError) -> Answer:
    view = FormView(form.values, error, names={"new_name": "name"})
    if isinstance(error, _ChangedMeanwhile):
        view.problem, view.conflict = None, error.edit
    return _issue(request, issue_id, edit=view, status=error.status)


class _ChangedMeanwhile(AppError):
    """Someone else changed name or description after this form was shown (409); `edit` says who and when."""

    status = 409
    title = "Conflict"

    def __init__(self, edit: Entry | None) -> None:
        super().__init__("Someone else changed this after you opened it.")
        self.edit = edit or Entry(actor="Someone", words=(), at="")


@routes.post("/issues/{issue_id}/edit", refused=_edit_refused)
def edit(request: Context, form: Form, issue_id: int) -> Answer:
    """Renames and describes; refuses where another change would be overwritten unseen."""
    change = read({"new_name": form.get("name"), "description": form.get("description")}, IssueChange)
    assert change.new_name is not None
    name = change.new_name
    issue = queries.get_issue_head_by_id(request.tx, request.actor, issue_id, lock=True)
    seen = (form.get("seen_name"), form.get("seen_description"))
    # What was stored before line ends were made one may still hold others; browsers never send them back.
    stored = (issue.name, one_newline(issue.description or ""))
    if seen != stored and (name, change.description) != (issue.name, issue.description):
        raise _ChangedMeanwhile(last_edit(request.tx, request.actor, issue_id))
    operations.update_issue(request.tx, request.actor, issue, description=change.description, new_name=name)
    return redirect(f"/issues/{issue_id}", flash_cookie(Flash("Saved.")))


def _add_refused(request: Context, form: Form, issue_id: int, error: AppError) -> Answer:
    names = {"add_companies": "companies"}
    view = FormView(form.values, error, home="companies" if isinstance(error, NotFound) else None, names=names)
    return _issue(request, issue_id, add=view, status=error.status)


@routes.post("/issues/{issue_id}/companies", refused=_add_refused)
def add_companies(request: Context, form: Form, issue_id: int) -> Answer:
    """Assigns more companies; one that is assigned already takes the status."""
    change = read({"add_companies": _companies(form)}, IssueChange)
    issue = queries.get_issue_head_by_id(request.tx, request.actor, issue_id, lock=True)
    members = [operations.NewAssignment(each.company_name, each.status) for each in change.add_companies or ()]
    operations.update_issue(request.tx, request.actor, issue, add=members)
    return redirect(f"/issues/{issue_id}")


@routes.get("/issues/{issue_id}/delete", access=Access.SUPER_ADMIN)
def ask_delete(request: Context, issue_id: int) -> Answer:
    """Asks before an issue goes for good."""
    shown = detail(queries.load_issues(request.tx, request.actor, [_head_id(request, issue_id)])[0])
    return page(request, "issues/delete.html", place="issues", issue=shown)


@routes.post("/issues/{issue_id}/delete", access=Access.SUPER_ADMIN)
def delete(request: Context, form: Form, issue_id: int) -> Answer:
    """Deletes an issue; its history stays."""
    issue = queries.get_issue_head_by_id(request.tx, request.actor, issue_id, lock=True)
    operations.delete_issue(request.tx, request.actor, issue)
    return redirect("/?open=true", flash_cookie(Flash(f"Deleted “{issue.name}”.")))


def _head_id(request: Context, issue_id: int) -> int:
    return queries.get_issue_head_by_id(request.tx, request.actor, issue_id).issue_id


def _companies(form: Form) -> list[dict[str, Any]]:
    return [{"company_name": name, "status": form.get("status", "new")} for name in form.lines("companies")]


def _link(path: str, parameters: Sequence[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path
