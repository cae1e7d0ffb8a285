"""Company groups (contract, section 12): technicians read them, super admins change them."""

from functools import partial
from typing import Annotated

import msgspec
from starlette.responses import Response

from issue_tracker.api.given_companies import with_known
from issue_tracker.api.looks_like import looks_like
from issue_tracker.companies.groups import importing, operations, queries
from issue_tracker.companies.groups.importing import ImportedGroups
from issue_tracker.companies.groups.queries import CompanyGroup
from issue_tracker.companies.queries import Company, get_companies
from issue_tracker.csv_files import BadFile
from issue_tracker.errors import FieldError, Invalid
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, list_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.http.validation import Distinct, refuse_repeated
from issue_tracker.names import Name, key

routes = Routes("Company groups")

GROUP_EXAMPLE = {"group_id": 5, "name": "North", "company_names": ["Acme Manufacturing", "Contoso"]}

Names = Annotated[list[Name], Distinct()]


class CompanyGroupList(msgspec.Struct):
    """Company groups, by name."""

    items: list[CompanyGroup]
    total: int


class NewCompanyGroup(msgspec.Struct, forbid_unknown_fields=True):
    """A company group to create."""

    name: Name
    company_names: Names | None = None

    def __post_init__(self) -> None:
        refuse_repeated(self)


class CompanyGroupChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to make; absent or null leaves a value unchanged. `company_names` replaces all companies of the
    group.
    """

    name: Name | None = None
    company_names: Names | None = None

    def __post_init__(self) -> None:
        refuse_repeated(self)


class CompanyGroupImport(msgspec.Struct, forbid_unknown_fields=True):
    """CSV with the columns `company_name` and `group`, one row for each company in a group, in any of the forms that
    spreadsheets write. `replace` removes all other companies from the groups in the file. With `dry_run`, nothing
    changes.
    """

    csv: str
    replace: bool = False
    dry_run: bool = False


class ImportedCompanyGroups(msgspec.Struct):
    """How many groups an import created, changed and left as they were; after a dry run, how many it would."""

    created: int
    changed: int
    unchanged: int


MOST_BAD = 100
"""Maximum number of invalid rows that a response names."""


def companies_of(request: Request, body: NewCompanyGroup | CompanyGroupChange) -> list[Company]:
    """Returns the companies that a body names. Raises one NotFound that quotes every unknown name."""
    known = get_companies(request.tx, request.actor, body.company_names or ())
    return [known[key(name)] for name in body.company_names or ()]


@routes.get("/api/company-groups", returns=Returns(200, CompanyGroupList, {"items": [GROUP_EXAMPLE], "total": 1}))
def list_company_groups(request: Request) -> Response:
    """List company groups by name, with the names of their companies."""
    return list_response(queries.list_groups(request.tx, request.actor))


@routes.post(
    "/api/company-groups",
    access=Access.ADMINISTRATOR,
    returns=Returns(201, CompanyGroup, GROUP_EXAMPLE, headers=("X-Looks-Like",)),
    example={"name": "North", "company_names": ["Acme Manufacturing", "Contoso"]},
    errors=(404,),
)
def create_company_group(request: Request, body: NewCompanyGroup) -> Response:
    """Create a company group."""
    group = create_group(request, body)
    return json_response(group, 201, headers=looks_like(queries.names_like(request.tx, request.actor, group)))


def create_group(request: Request, body: NewCompanyGroup) -> CompanyGroup:
    """Creates the group of a body in the open transaction. Raises NotFound for unknown companies, and what
    `operations.create_group` raises.
    """
    create = partial(operations.create_group, request.tx, request.actor, body.name)
    return with_known(partial(companies_of, request, body), create, ())


@routes.post(
    "/api/company-groups/import",
    access=Access.ADMINISTRATOR,
    returns=Returns(200, ImportedCompanyGroups, {"created": 1, "changed": 0, "unchanged": 0}),
    example={"csv": "company_name,group\nContoso,South\n", "dry_run": True},
)
def import_company_groups(request: Request, body: CompanyGroupImport) -> Response:
    """Import company groups from CSV: create missing groups, and add companies to them.

    If any row is invalid, nothing is imported, and `errors` names the rows.
    """
    imported = import_text(request, body.csv, replace=body.replace, dry_run=body.dry_run)
    if imported.bad:
        fields = [FieldError("csv", f"line {row.line}: {row.reason}") for row in imported.bad[:MOST_BAD]]
        more = len(imported.bad) - MOST_BAD
        raise Invalid.of([*fields, FieldError("csv", f"{more:,} more lines are invalid")] if more > 0 else fields)
    return json_response(ImportedCompanyGroups(imported.created, imported.changed, imported.unchanged))


def import_text(request: Request, csv: str, *, replace: bool, dry_run: bool = False) -> ImportedGroups:
    """Imports the groups in a CSV text in the open transaction. Raises Invalid if the text is not valid CSV, and what
    the operation raises.
    """
    try:
        rows = importing.read_text(csv)
        return importing.import_groups(request.tx, request.actor, rows, replace=replace, dry_run=dry_run)
    except BadFile as error:
        raise Invalid.field("csv", str(error).rstrip(".")) from None


@routes.put(
    "/api/company-groups/{group_id}",
    access=Access.ADMINISTRATOR,
    returns=Returns(200, CompanyGroup, GROUP_EXAMPLE | {"company_names": ["Contoso"]}, headers=("X-Looks-Like",)),
    example={"company_names": ["Contoso"]},
)
def update_company_group(request: Request, group_id: int, body: CompanyGroupChange) -> Response:
    """Rename a company group, or replace its companies."""
    group, similar = change_group(request, group_id, body)
    return json_response(group, headers=looks_like(similar))


def change_group(request: Request, group_id: int, body: CompanyGroupChange) -> tuple[CompanyGroup, list[str]]:
    """Changes a group in the open transaction. Returns it, and the names that look like its new name, if it has one.

    Raises NotFound for unknown companies, and what `update_group` raises.
    """
    before = queries.get_group(request.tx, request.actor, group_id)
    names = body.company_names
    if names is not None and set(map(key, names)) != set(map(key, before.company_names)):
        operations.require_proof_for_members(request.tx, request.actor, group_id)

    def update(companies: list[Company] | None) -> CompanyGroup:
        return operations.update_group(request.tx, request.actor, group_id, name=body.name, companies=companies)

    group = update(None) if names is None else with_known(partial(companies_of, request, body), update, None)
    return group, queries.names_like(request.tx, request.actor, group) if group.name != before.name else []


@routes.delete("/api/company-groups/{group_id}", access=Access.ADMINISTRATOR, returns=Returns(204))
def delete_company_group(request: Request, group_id: int) -> Response:
    """Delete a company group, but not its companies."""
    operations.delete_group(request.tx, request.actor, group_id)
    return no_content()
