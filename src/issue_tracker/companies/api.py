"""Companies (contract, section 6)."""

from typing import Annotated

import msgspec
from msgspec import Meta

from issue_tracker.companies import operations, queries
from issue_tracker.companies.queries import Company
from issue_tracker.errors import InvalidQuery
from issue_tracker.names import Name, storable
from issue_tracker.web.answer import Answer
from issue_tracker.web.context import Access, Context
from issue_tracker.web.routing import Routes

routes = Routes("Companies")


class CompanyList(msgspec.Struct):
    """Companies, by name."""

    items: list[Company]
    total: int


class CompanyQuery(msgspec.Struct):
    """Which companies to list."""

    search: Annotated[str, Meta(max_length=255, description="A part of the name; case does not matter.")] = ""
    include_archived: Annotated[bool, Meta(description="Whether archived companies are listed, too.")] = msgspec.field(
        default=False, name="includeArchived"
    )


class NewCompany(msgspec.Struct, forbid_unknown_fields=True):
    """A company to create."""

    name: Name


class CompanyChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; absent or null keeps what is there."""

    name: Name | None = None
    archived: bool | None = None


@routes.get("/api/companies", answers={200: CompanyList}, errors=(422,))
def list_companies(request: Context, query: CompanyQuery) -> Answer:
    """Companies by name, with how many open issues each has."""
    if not storable(query.search):
        raise InvalidQuery.field("search", "must not contain NUL characters")
    found = queries.list_companies(
        request.tx, request.actor, search=query.search, include_archived=query.include_archived
    )
    return Answer.items(found)


@routes.post("/api/companies", access=Access.SUPER_ADMIN, answers={201: Company}, errors=(400, 409, 413, 415, 422))
def create_company(request: Context, body: NewCompany) -> Answer:
    """Create a company."""
    company = operations.create_company(request.tx, request.actor, body.name)
    return Answer.json(company, status=201)


@routes.put(
    "/api/companies/{company_id}", access=Access.SUPER_ADMIN, answers={200: Company}, errors=(400, 404, 413, 415)
)
def update_company(request: Context, company_id: int, body: CompanyChange) -> Answer:
    """Rename, archive or restore a company."""
    company = operations.update_company(request.tx, request.actor, company_id, name=body.name, archived=body.archived)
    return Answer.json(company)


@routes.delete("/api/companies/{company_id}", access=Access.SUPER_ADMIN, answers={204: None}, errors=(400, 404))
def delete_company(request: Context, company_id: int) -> Answer:
    """Delete a company that nothing ever referred to."""
    operations.delete_company(request.tx, request.actor, company_id)
    return Answer.none()
