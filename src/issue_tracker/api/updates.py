"""Updates: texts on issues, internal or for customers (contract, section 13)."""

from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.api.given_companies import update_audience
from issue_tracker.api.issue_fields import NamedIssue
from issue_tracker.companies.queries import get_company_by_name
from issue_tracker.errors import InvalidQuery
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.http.validation import Distinct, refuse_repeated, require_one
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.issues.updates import operations, queries
from issue_tracker.issues.updates.queries import Update, UpdateFilters
from issue_tracker.names import Name, UpdateText, whole_number
from issue_tracker.status import Status

routes = Routes("Updates")


class UpdateList(msgspec.Struct):
    """Updates, the newest first. `total` counts all matches on all pages."""

    items: list[Update]
    total: int


class UpdatesOf(msgspec.Struct, kw_only=True):
    """The filters of every list of updates."""

    issue_name: Annotated[str, Meta(description="Only updates on the issue with this name.")] = msgspec.field(
        default="", name="issueName"
    )
    company_name: Annotated[
        str,
        Meta(
            description="Only updates for the company with this name, including those for all companies of its issues."
        ),
    ] = msgspec.field(default="", name="companyName")


class UpdateQuery(UpdatesOf, kw_only=True):
    """The filters of a list of updates."""

    public: Annotated[bool | None, Meta(description="`true`: only public updates; `false`: only internal ones.")] = None
    limit: Annotated[
        int, Meta(ge=1, le=500, description="Maximum number of updates; the Link header leads to the next page.")
    ] = 100
    cursor: Annotated[str, Meta(description="Where to continue; taken from the Link header.")] = ""


class NewUpdate(NamedIssue, forbid_unknown_fields=True, kw_only=True):
    """A text on an issue, in Markdown: for all its companies if `companies` and `company_groups` are absent or null,
    and only for the helpdesk unless it is `public`. A group means those of its companies that the issue affects;
    companies in `exclude` are left out. With a `status`, the companies get this status in the same transaction, except
    for closed ones that are not in `companies`.
    """

    body: UpdateText
    public: bool = False
    companies: Annotated[list[Name], Distinct()] | None = None
    company_groups: Annotated[list[Name], Distinct()] | None = None
    exclude: Annotated[list[Name], Distinct()] | None = None
    status: Status | None = None

    def __post_init__(self) -> None:
        require_one(self)
        refuse_repeated(self)


class UpdateChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to make to an update; absent or null leaves a value unchanged."""

    body: UpdateText | None = None
    public: bool | None = None


UPDATE_EXAMPLE: dict[str, Any] = {
    "update_id": 21,
    "issue_name": "Network degradation",
    "body": "The carrier has found a broken fibre. *Next update at 16:00.*",
    "public": True,
    "company_names": None,
    "at": "2025-01-09T08:45:00+00:00",
    "actor": {"id": 2, "name": "Tess Ngo", "channel": "session"},
    "edited_at": None,
}


@routes.get(
    "/api/updates",
    returns=Returns(200, UpdateList, {"items": [UPDATE_EXAMPLE], "total": 1}, headers=("Link",)),
    errors=(404,),
)
def list_updates(request: Request, query: UpdateQuery) -> Response:
    """List updates, the newest first."""
    tx, actor = request.tx, request.actor
    before = whole_number(query.cursor) if query.cursor else None
    if query.cursor and before is None:
        raise InvalidQuery.cursor()
    filters = UpdateFilters(
        issue_id=get_issue_head(tx, actor, query.issue_name).issue_id if query.issue_name else None,
        company_ids=(get_company_by_name(tx, actor, query.company_name).company_id,) if query.company_name else None,
        public=query.public,
    )
    found = queries.list_updates(tx, actor, filters, before=before, limit=query.limit)
    response = json_response(UpdateList([placed.update for placed in found.updates], found.total))
    if found.more:
        others = [(name, value) for name, value in request.parameters if name != "cursor"]
        last = str(found.updates[-1].update.update_id)
        response.headers["link"] = f'</api/updates?{urlencode([*others, ("cursor", last)])}>; rel="next"'
    return response


@routes.post(
    "/api/updates",
    returns=Returns(201, Update, UPDATE_EXAMPLE),
    example={
        "issue_name": "Network degradation",
        "body": "The carrier has found a broken fibre. *Next update at 16:00.*",
        "public": True,
        "status": "in_progress",
    },
    errors=(404,),
)
def add_update(request: Request, body: NewUpdate) -> Response:
    """Add a text to an issue, for all or some of its companies, with or without a new status for them.

    With a status, the companies in `companies` are assigned if necessary; others remain closed if they are closed.
    """
    issue = body.find(request.tx, request.actor)
    audience = update_audience(
        request.tx,
        request.actor,
        issue.issue_id,
        companies=body.companies,
        groups=body.company_groups,
        exclude=body.exclude,
    )
    added = operations.add_update(
        request.tx,
        request.actor,
        issue,
        body.body,
        public=body.public,
        companies=audience.companies,
        status=body.status,
        named=audience.named,
    )
    return json_response(added.update, 201)


@routes.put(
    "/api/updates/{update_id}",
    returns=Returns(200, Update, UPDATE_EXAMPLE | {"edited_at": "2025-01-09T08:50:00+00:00"}),
    example={"body": "The carrier has found a broken fibre. *Next update at 16:00.*"},
)
def edit_update(request: Request, update_id: int, body: UpdateChange) -> Response:
    """Edit your own update; super admins edit any. The history contains the previous text."""
    edited = operations.edit_update(request.tx, request.actor, update_id, body=body.body, public=body.public)
    return json_response(edited.update)


@routes.delete("/api/updates/{update_id}", returns=Returns(204))
def withdraw_update(request: Request, update_id: int) -> Response:
    """Withdraw your own update; super admins withdraw any. The history contains its text."""
    operations.withdraw_update(request.tx, request.actor, update_id)
    return no_content()
