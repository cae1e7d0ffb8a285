"""Companies (contract, section 6)."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.companies import operations, queries
from issue_tracker.companies.queries import Company
from issue_tracker.errors import InvalidQuery
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, list_response, looks_like, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.names import Name, storable

routes = Routes("Companies")

COMPANY_EXAMPLE = {"company_id": 3, "name": "Acme Manufacturing", "archived": False, "open_issues": 1}


class CompanyList(msgspec.Struct):
    """Companies, by name."""

    items: list[Company]
    total: int


class CompanyQuery(msgspec.Struct):
    """Which companies to list."""

    search: Annotated[str, Meta(max_length=255, description="A part of the name; case does not matter.")] = ""
    include_archived: Annotated[bool, Meta(description="Whether archived companies are listed too.")] = msgspec.field(
        default=False, name="includeArchived"
    )


class NewCompany(msgspec.Struct, forbid_unknown_fields=True):
    """A company to create."""

    name: Name


class CompanyChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; absent or null keeps the present value."""

    name: Name | None = None
    archived: bool | None = None


@routes.get("/api/companies", returns=Returns(200, CompanyList, {"items": [COMPANY_EXAMPLE], "total": 1}))
def list_companies(request: Request, query: CompanyQuery) -> Response:
    """Companies by name, with how many open issues each has."""
    if not storable(query.search):
        raise InvalidQuery.field("search", "must not contain NUL characters")
    found = queries.list_companies(
        request.tx, request.actor, search=query.search, include_archived=query.include_archived
    )
    return list_response(found)


@routes.post(
    "/api/companies",
    access=Access.SUPER_ADMIN,
    returns=Returns(201, Company, COMPANY_EXAMPLE | {"open_issues": 0}, headers=("X-Looks-Like",)),
    example={"name": "Acme Manufacturing"},
)
def create_company(request: Request, body: NewCompany) -> Response:
    """Create a company."""
    company = operations.create_company(request.tx, request.actor, body.name)
    return json_response(company, 201, looks_like(queries.names_like(request.tx, request.actor, company)))


@routes.put(
    "/api/companies/{company_id}",
    access=Access.SUPER_ADMIN,
    returns=Returns(200, Company, COMPANY_EXAMPLE | {"name": "Acme"}, headers=("X-Looks-Like",)),
    example={"name": "Acme", "archived": False},
)
def update_company(request: Request, company_id: int, body: CompanyChange) -> Response:
    """Rename, archive or restore a company."""
    company = operations.update_company(request.tx, request.actor, company_id, name=body.name, archived=body.archived)
    similar = looks_like(queries.names_like(request.tx, request.actor, company)) if body.name else {}
    return json_response(company, headers=similar)


@routes.delete("/api/companies/{company_id}", access=Access.SUPER_ADMIN, returns=Returns(204), errors=(400,))
def delete_company(request: Request, company_id: int) -> Response:
    """Delete a company that nothing ever referred to."""
    operations.delete_company(request.tx, request.actor, company_id)
    return no_content()
