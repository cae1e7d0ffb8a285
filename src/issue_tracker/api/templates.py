"""Templates for new issues. Technicians read and use them; super admins change them."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.api.given_companies import with_known
from issue_tracker.companies.groups.queries import get_groups
from issue_tracker.companies.queries import get_companies
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, list_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.http.validation import Distinct, refuse_repeated
from issue_tracker.issues.fields import MOST_ITEMS
from issue_tracker.issues.models import Severity
from issue_tracker.issues.templates import operations, queries
from issue_tracker.issues.templates.operations import TemplateFields
from issue_tracker.issues.templates.queries import Template
from issue_tracker.names import Description, Name, Tag, UpdateText

routes = Routes("Templates")

Names = Annotated[list[Name], Distinct()]

TEMPLATE_EXAMPLE: dict[str, Any] = {
    "template_id": 3,
    "name": "Line failure",
    "name_pattern": "Line failure {date}",
    "description": "Carrier: \nCircuit: ",
    "severity": "high",
    "tags": ["carrier"],
    "company_groups": ["North"],
    "company_names": [],
    "first_update": "We are looking into it. *Next update within the hour.*",
    "first_update_public": True,
}


class TemplateBody(msgspec.Struct, kw_only=True):
    """The fields of a template. An absent field keeps its value, null clears it. In `name_pattern`, `{date}`, `{month}`
    and `{time}` are replaced by the day, the month and the time in UTC.
    """

    name_pattern: Name | msgspec.UnsetType | None = msgspec.UNSET
    description: Description | msgspec.UnsetType | None = msgspec.UNSET
    severity: Severity | msgspec.UnsetType | None = msgspec.UNSET
    tags: Annotated[list[Tag], Meta(max_length=MOST_ITEMS)] | msgspec.UnsetType | None = msgspec.UNSET
    company_groups: Names | msgspec.UnsetType | None = msgspec.UNSET
    company_names: Names | msgspec.UnsetType | None = msgspec.UNSET
    first_update: UpdateText | msgspec.UnsetType | None = msgspec.UNSET
    first_update_public: bool | msgspec.UnsetType = msgspec.UNSET

    def saved(
        self, request: Request, name: Name | msgspec.UnsetType, save: Callable[[TemplateFields], Template]
    ) -> Template:
        """Returns the result of `save`, an operation, for the fields of the body. Raises what it raises, and NotFound,
        which quotes every unknown company, or else every unknown group.
        """
        own = TemplateFields(
            name=name,
            name_pattern=self.name_pattern,
            description=self.description,
            severity=self.severity,
            tags=self.tags,
            first_update=self.first_update,
            first_update_public=self.first_update_public,
        )
        return with_known(lambda: self._with_companies(request, own), save, own)

    def _with_companies(self, request: Request, own: TemplateFields) -> TemplateFields:
        companies: Any = self.company_names
        if isinstance(self.company_names, list):
            companies = list(get_companies(request.tx, request.actor, self.company_names).values())
        groups: Any = self.company_groups
        if isinstance(self.company_groups, list):
            groups = get_groups(request.tx, request.actor, self.company_groups)
        return msgspec.structs.replace(own, companies=companies, groups=groups)


class NewTemplate(TemplateBody, forbid_unknown_fields=True, kw_only=True):
    """A template to create."""

    name: Name

    def __post_init__(self) -> None:
        refuse_repeated(self)


class TemplateChange(TemplateBody, forbid_unknown_fields=True, kw_only=True):
    """What to change in a template. The name is kept if it is absent or null."""

    name: Name | None = None

    def __post_init__(self) -> None:
        refuse_repeated(self)


class TemplateList(msgspec.Struct):
    """Templates, ordered by name."""

    items: list[Template]
    total: int


@routes.get("/api/templates", returns=Returns(200, TemplateList, {"items": [TEMPLATE_EXAMPLE], "total": 1}))
def list_templates(request: Request) -> Response:
    """List the templates of issues by name.

    `description`, `severity`, `tags` and `company_groups` have the form that `POST /api/issues` accepts.
    """
    return list_response(queries.list_templates(request.tx, request.actor))


@routes.post(
    "/api/templates",
    access=Access.ADMINISTRATOR,
    returns=Returns(201, Template, TEMPLATE_EXAMPLE),
    example={name: value for name, value in TEMPLATE_EXAMPLE.items() if name != "template_id"},
    errors=(404,),
)
def create_template(request: Request, body: NewTemplate) -> Response:
    """Create a template."""
    create = partial(operations.create_template, request.tx, request.actor)
    return json_response(body.saved(request, body.name, create), 201)


@routes.put(
    "/api/templates/{template_id}",
    access=Access.ADMINISTRATOR,
    returns=Returns(200, Template, TEMPLATE_EXAMPLE | {"severity": None}),
    example={"severity": None},
)
def update_template(request: Request, template_id: int, body: TemplateChange) -> Response:
    """Change a template."""
    name = msgspec.UNSET if body.name is None else body.name
    update = partial(operations.update_template, request.tx, request.actor, template_id)
    return json_response(body.saved(request, name, update))


@routes.delete("/api/templates/{template_id}", access=Access.ADMINISTRATOR, returns=Returns(204))
def delete_template(request: Request, template_id: int) -> Response:
    """Delete a template; issues that were created from it remain."""
    operations.delete_template(request.tx, request.actor, template_id)
    return no_content()
