"""Companies (contract, section 6)."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.api.looks_like import looks_like
from issue_tracker.companies import matching, operations, queries
from issue_tracker.companies.matching import Match
from issue_tracker.companies.queries import Company
from issue_tracker.errors import FieldError, Invalid
from issue_tracker.http.idempotency import has_key, once
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, list_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.http.validation import SearchText
from issue_tracker.names import Name

routes = Routes("Companies")

MOST_NAMES = 500
"""Maximum number of names in one request."""

COMPANY_EXAMPLE = {"company_id": 3, "name": "Acme Manufacturing", "archived": False, "open_issues": 1}


class CompanyList(msgspec.Struct):
    """Companies, by name."""

    items: list[Company]
    total: int


class CompanyQuery(msgspec.Struct):
    """The filters of a list of companies."""

    search: Annotated[SearchText, Meta(max_length=255, description="A part of the name; case does not matter.")] = ""
    include_archived: Annotated[bool, Meta(description="Whether to include archived companies.")] = msgspec.field(
        default=False, name="includeArchived"
    )


class NewCompany(msgspec.Struct, forbid_unknown_fields=True):
    """A company to create."""

    name: Name


class CompanyChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to make; absent or null leaves a value unchanged."""

    name: Name | None = None
    archived: bool | None = None


class NamesToMatch(msgspec.Struct, forbid_unknown_fields=True):
    """Names as they were entered or pasted: in one text, or one by one."""

    text: Annotated[str, Meta(max_length=100_000)] | None = None
    names: Annotated[list[Annotated[str, Meta(max_length=1_000)]], Meta(max_length=MOST_NAMES)] | None = None


class MatchList(msgspec.Struct):
    """The match of each name, in the order of the names."""

    items: list[Match]
    total: int


@routes.get("/api/companies", returns=Returns(200, CompanyList, {"items": [COMPANY_EXAMPLE], "total": 1}))
def list_companies(request: Request, query: CompanyQuery) -> Response:
    """List companies by name, with the number of open issues of each."""
    found = queries.list_companies(
        request.tx, request.actor, search=query.search, include_archived=query.include_archived
    )
    return list_response(found)


@routes.post(
    "/api/companies",
    access=Access.ADMINISTRATOR,
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
    before = queries.get_company(request.tx, request.actor, company_id)
    company = operations.update_company(request.tx, request.actor, company_id, name=body.name, archived=body.archived)
    similar = queries.names_like(request.tx, request.actor, company) if company.name != before.name else []
    return json_response(company, headers=looks_like(similar))


@routes.delete("/api/companies/{company_id}", access=Access.SUPER_ADMIN, returns=Returns(204), errors=(400,))
def delete_company(request: Request, company_id: int) -> Response:
    """Delete a company to which nothing has ever referred."""
    operations.delete_company(request.tx, request.actor, company_id)
    return no_content()


@routes.post(
    "/api/companies/match",
    transaction=False,
    returns=Returns(
        200,
        MatchList,
        {
            "items": [
                {
                    "input": "ACME Manufacturing, Inc.",
                    "match": "exact",
                    "company_name": "Acme Manufacturing",
                    "candidates": ["Acme Manufacturing"],
                },
                {"input": "Contosso", "match": "likely", "company_name": "Contoso", "candidates": ["Contoso"]},
                {"input": "Northwind", "match": "none", "company_name": None, "candidates": []},
            ],
            "total": 3,
        },
    ),
    example={"text": "- ACME Manufacturing, Inc.\n- Contosso\n- Northwind"},
)
def match_companies(request: Request, body: NamesToMatch) -> Response:
    """Find out which companies are meant by entered or pasted names. Nothing is changed.

    Give either `text` or `names`. The names in a text are separated by lines, commas, semicolons or tabs, and may have
    bullets, numbers or the marks of quoted email. Archived companies are not found.
    """
    if (body.text is None) == (body.names is None):
        raise Invalid.of([FieldError(name, "exactly one of text and names is required") for name in ("text", "names")])
    with request.read() as tx:
        companies = queries.list_companies(tx, request.actor)
    found: list[Match] | None = matching.match_names(companies, body.names or [])
    if body.text is not None:
        found = matching.match_text(companies, body.text, MOST_NAMES)
    if found is None:
        raise Invalid.field("text", f"must have at most {MOST_NAMES} names")
    response = list_response(found)
    if not has_key(request):
        return response
    with request.write():
        return once(request, lambda: response)
