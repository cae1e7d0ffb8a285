"""Saved views of the list of issues: named filters, order and search words, private or shared."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.api.issue_query import IssueQuery
from issue_tracker.errors import FieldError, Invalid, InvalidQuery
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, list_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.http.validation import read_query
from issue_tracker.issues.views import operations
from issue_tracker.issues.views.queries import SavedView, get_view, list_views
from issue_tracker.names import UNSTORABLE, Name, storable

routes = Routes("Views")

VIEW_EXAMPLE = {
    "view_id": 3,
    "name": "Unowned, worst first",
    "query": "open=true&owner=none",
    "shared": True,
    "shared_with_limited": False,
    "start": False,
    "owner": {"user_id": 2, "name": "Tess Ngo"},
    "changeable": True,
}

PASSING = ("limit", "cursor", "format", "include", "changedSince")
"""Parameters of a list that apply to a single request and are not saved in a view."""

Query = Annotated[
    str,
    Meta(
        max_length=2000, description="Filters and order of the page of issues, as in its address: `open=true&tag=vpn`."
    ),
]
Shared = Annotated[
    bool, Meta(description="Whether other technicians may use it: all who see at least the companies that you see.")
]
SharedWithLimited = Annotated[
    bool,
    Meta(
        description="Whether a shared view is also shown, with its name, to technicians who see fewer companies than"
        " you, unless it filters by something that is hidden from them, or by a text."
    ),
]
Start = Annotated[
    bool, Meta(description="Whether you begin with it after signing in. It is true for one view at most.")
]


class SavedViewList(msgspec.Struct):
    """Saved views, ordered by name."""

    items: list[SavedView]
    total: int


class NewView(msgspec.Struct, forbid_unknown_fields=True):
    """A view to save."""

    name: Name
    query: Query = ""
    shared: Shared = False
    shared_with_limited: SharedWithLimited = False
    start: Start = False


class ViewChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; absent or null keeps the present value. Users other than the author of the view and super admins
    may change only `start`.
    """

    name: Name | None = None
    query: Query | None = None
    shared: Shared | None = None
    shared_with_limited: SharedWithLimited | None = None
    start: Start | None = None


@routes.get("/api/views", returns=Returns(200, SavedViewList, {"items": [VIEW_EXAMPLE], "total": 1}))
def list_saved_views(request: Request) -> Response:
    """List your own views and those that are shared with you, by name."""
    return list_response(list_views(request.tx, request.actor))


@routes.post(
    "/api/views",
    returns=Returns(201, SavedView, VIEW_EXAMPLE),
    example={"name": "Unowned, worst first", "query": "open=true&owner=none", "shared": True},
)
def create_saved_view(request: Request, body: NewView) -> Response:
    """Save a view of the list of issues."""
    return json_response(save_view(request, body), 201)


@routes.put("/api/views/{view_id}", returns=Returns(200, SavedView, VIEW_EXAMPLE), example={"shared": True})
def update_saved_view(request: Request, view_id: int, body: ViewChange) -> Response:
    """Change a view, or choose it as your start view."""
    return json_response(change_view(request, view_id, body))


@routes.delete("/api/views/{view_id}", returns=Returns(204))
def delete_saved_view(request: Request, view_id: int) -> Response:
    """Delete a view."""
    operations.delete_view(request.tx, request.actor, view_id)
    return no_content()


def save_view(request: Request, body: NewView) -> SavedView:
    """Saves a view, and makes it the start view of the user if the body says so."""
    query = _checked(request, body.query)
    return operations.create_view(
        request.tx,
        request.actor,
        body.name,
        query,
        shared=body.shared,
        shared_with_limited=body.shared_with_limited,
        start=body.start,
    )


def change_view(request: Request, view_id: int, body: ViewChange) -> SavedView:
    """Changes a view, and whether it is the start view of the user."""
    view = get_view(request.tx, request.actor, view_id)
    if (body.name, body.query, body.shared, body.shared_with_limited) != (None, None, None, None):
        view = operations.update_view(
            request.tx,
            request.actor,
            view_id,
            name=body.name,
            query=None if body.query is None else _checked(request, body.query),
            shared=body.shared,
            shared_with_limited=body.shared_with_limited,
        )
    if body.start is not None and body.start != view.start:
        operations.choose_start_view(request.tx, request.actor, view_id if body.start else None)
        view = msgspec.structs.replace(view, start=body.start)
    return view


def lasting(parameters: Sequence[tuple[str, str]]) -> str:
    """Returns the parameters of a list that a view saves, URL-encoded."""
    return urlencode([(name, value) for name, value in parameters if value and name not in PASSING])


def _checked(request: Request, query: str) -> str:
    """Returns the query of a view in its stored form. Raises Invalid for `query` if the list would reject it."""
    text = query.strip().lstrip("?")
    parameters = parse_qsl(text, errors="replace")
    if not all(storable(value) for value in (text, *(value for _, value in parameters))):
        raise Invalid.field("query", UNSTORABLE)
    passing = [name for name, _ in parameters if name in PASSING]
    if passing:
        raise Invalid.field("query", f"must not contain {passing[0]}, which belongs to one request")
    try:
        read_query(parameters, IssueQuery, request.settings.query_values)
    except InvalidQuery as refused:
        raise Invalid.of([FieldError("query", f"{each.field}: {each.message}") for each in refused.fields]) from None
    return lasting(parameters)
