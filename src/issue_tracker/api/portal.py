"""The portal for customers' own programs (contract, section 12; docs/decisions/0025)."""

import base64
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.api.status_filter import OpenFilter, StatusFilter, selected_statuses
from issue_tracker.api.updates import UpdatesOf
from issue_tracker.errors import InvalidQuery
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.integers import LARGEST_ID
from issue_tracker.issues.queries import portal
from issue_tracker.issues.queries.portal import PortalFilters, PortalIssue, PortalUpdate
from issue_tracker.issues.updates.queries import Place
from issue_tracker.names import storable, whole_number

routes = Routes("Portal", access=Access.CUSTOMER)

PORTAL_ISSUE_EXAMPLE = {
    "name": "Network degradation",
    "updated_at": "2025-01-09T08:45:00+00:00",
    "assignments": [
        {
            "company_name": "Acme Manufacturing",
            "status": "investigating",
            "status_label": "Investigating",
            "since": "2025-01-04T10:15:00+00:00",
            "updated_at": "2025-01-09T08:45:00+00:00",
        }
    ],
}


PORTAL_UPDATE_EXAMPLE = {
    "issue_name": "Network degradation",
    "body": "The carrier has found a broken fibre. *Next update at 16:00.*",
    "company_names": None,
    "at": "2025-01-09T08:45:00+00:00",
    "edited_at": None,
    "author_name": None,
}


class PortalQuery(msgspec.Struct, kw_only=True):
    """The filters of the customer's issues, all of which must match the same assignment."""

    status: StatusFilter = []
    open: OpenFilter = None
    company_name: Annotated[str, Meta(description="Only assignments of the company with this name.")] = msgspec.field(
        default="", name="companyName"
    )
    updated_since: Annotated[
        Annotated[datetime, Meta(tz=True)] | None,
        Meta(description="Only assignments whose status was set, or restored by an undo, at or after this instant."),
    ] = msgspec.field(default=None, name="updatedSince")
    limit: Annotated[
        Annotated[int, Meta(ge=1, le=500)] | None,
        Meta(description="Maximum number of issues; the Link header leads to the next page."),
    ] = None
    cursor: Annotated[str, Meta(description="Where to continue; taken from the Link header.")] = ""


class PortalUpdateQuery(UpdatesOf, kw_only=True):
    """The filters of public updates."""

    before: Annotated[
        Annotated[datetime, Meta(tz=True)] | None, Meta(description="Only updates written before this instant.")
    ] = None
    limit: Annotated[
        int, Meta(ge=1, le=500, description="Maximum number of updates; the Link header leads to the next page.")
    ] = 100
    cursor: Annotated[str, Meta(description="Where to continue; taken from the Link header.")] = ""


class PortalUpdateList(msgspec.Struct):
    """Public updates, the newest first. `total` counts all matches on all pages."""

    items: list[PortalUpdate]
    total: int


class PortalIssueList(msgspec.Struct):
    """The customer's issues, by name."""

    items: list[PortalIssue]
    total: int


@routes.get(
    "/api/portal/issues",
    returns=Returns(200, PortalIssueList, {"items": [PORTAL_ISSUE_EXAMPLE], "total": 1}, headers=("Link",)),
    errors=(404,),
)
def list_portal_issues(request: Request, query: PortalQuery) -> Response:
    """List the issues of the customer's companies, with the statuses of these companies."""
    filters = PortalFilters(
        statuses=selected_statuses(query.status, query.open),
        company_name=query.company_name,
        updated_since=query.updated_since,
    )
    after = _text_of(query.cursor)
    limit = None if query.limit is None else query.limit + 1
    found = portal.list_portal_issues(request.tx, request.actor, filters, after=after, limit=limit)
    more = query.limit is not None and len(found) > query.limit
    items = found[: query.limit]
    total = portal.count_portal_issues(request.tx, request.actor, filters) if more or after else len(items)
    headers = {"Link": _next_link(request, items[-1].name)} if more else None
    return json_response(PortalIssueList(items, total), headers=headers)


@routes.get("/api/portal/issues/{issue_name}", returns=Returns(200, PortalIssue, PORTAL_ISSUE_EXAMPLE))
def get_portal_issue(request: Request, issue_name: str) -> Response:
    """Get one issue of the customer's companies."""
    return json_response(portal.get_portal_issue(request.tx, request.actor, issue_name))


@routes.get(
    "/api/portal/updates",
    returns=Returns(200, PortalUpdateList, {"items": [PORTAL_UPDATE_EXAMPLE], "total": 1}, headers=("Link",)),
    errors=(404,),
)
def list_portal_updates(request: Request, query: PortalUpdateQuery) -> Response:
    """List the public updates for the customer's companies, the newest first."""
    found = portal.list_portal_updates(
        request.tx,
        request.actor,
        issue_name=query.issue_name,
        company_name=query.company_name,
        before=query.before,
        after=_place_of(query.cursor),
        limit=query.limit,
        first_names=request.settings.portal_first_names,
    )
    place = found.next
    headers = {"Link": _next_link(request, f"{place.at.isoformat()} {place.passed}")} if place else None
    return json_response(PortalUpdateList(found.updates, found.total), headers=headers)


def _text_of(cursor: str) -> str:
    """Returns the text in a cursor: for issues, the name after which a page starts. Raises InvalidQuery."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise InvalidQuery.cursor() from None
    if not storable(text):
        raise InvalidQuery.cursor()
    return text


def _place_of(cursor: str) -> Place | None:
    """Returns the place at which a page of updates starts; None without a cursor. Raises InvalidQuery."""
    if not cursor:
        return None
    at, _, passed = _text_of(cursor).partition(" ")
    try:
        place = Place(datetime.fromisoformat(at), whole_number(passed) or 0)
    except ValueError:
        raise InvalidQuery.cursor() from None
    if place.at.tzinfo is None or not 0 < place.passed <= LARGEST_ID:
        raise InvalidQuery.cursor()
    return place


def _next_link(request: Request, position: str) -> str:
    """Returns the Link header (RFC 8288) to the next page: the same request, with the cursor of this position."""
    others = [(name, given) for name, given in request.parameters if name != "cursor"]
    cursor = base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")
    return f'<{request.path}?{urlencode([*others, ("cursor", cursor)])}>; rel="next"'
