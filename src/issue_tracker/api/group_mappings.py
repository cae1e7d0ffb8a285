"""Mappings of groups of identity providers and of SCIM to roles and company access; super admins only."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.actor import Role
from issue_tracker.api.given_companies import with_known
from issue_tracker.api.users import AllCompanies, CompanyAccessChange, grant_of
from issue_tracker.auth.group_mappings import operations, queries
from issue_tracker.auth.group_mappings.operations import MappingFields
from issue_tracker.auth.group_mappings.queries import GroupMapping
from issue_tracker.clock import Timestamp
from issue_tracker.company_access.grants import Grant
from issue_tracker.company_access.queries import GrantedAccess
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, list_response, no_content
from issue_tracker.http.routes import Returns, Routes

routes = Routes("Group mappings", access=Access.ADMINISTRATOR, proof=Proof.SESSION)


class NewGroupMapping(msgspec.Struct, forbid_unknown_fields=True):
    """What the members of a group are granted. `group` is its name at the provider, case-sensitive."""

    source: Annotated[str, Meta(max_length=40, examples=["entra"])]
    group: Annotated[str, Meta(min_length=1, max_length=255, examples=["helpdesk-technicians"])]
    role: Role
    company_access: AllCompanies | CompanyAccessChange


class ShownGroupMapping(msgspec.Struct, frozen=True):
    """A mapping. `source` is the id of an identity provider, or `scim`."""

    id: int
    source: str
    group: str
    role: Role
    company_access: AllCompanies | GrantedAccess
    created_at: Timestamp
    updated_at: Timestamp


class GroupMappingList(msgspec.Struct):
    """All mappings."""

    items: list[ShownGroupMapping]
    total: int


BODY_EXAMPLE = {
    "source": "entra",
    "group": "helpdesk-technicians",
    "role": "technician",
    "company_access": {"company_groups": ["North"], "companies": ["Contoso"]},
}
EXAMPLE = {
    "id": 3,
    **BODY_EXAMPLE,
    "created_at": "2025-01-04T10:15:00+00:00",
    "updated_at": "2025-01-04T10:15:00+00:00",
}


@routes.get("/api/group-mappings", returns=Returns(200, GroupMappingList, {"items": [EXAMPLE], "total": 1}))
def list_mappings(request: Request) -> Response:
    """List all mappings, by source and group."""
    return list_response([shown(mapping) for mapping in queries.list_mappings(request.tx, request.actor)])


@routes.post(
    "/api/group-mappings",
    proof=Proof.FRESH_SESSION,
    returns=Returns(201, ShownGroupMapping, EXAMPLE),
    example=BODY_EXAMPLE,
    errors=(404,),
)
def create_mapping(request: Request, body: NewGroupMapping) -> Response:
    """Map a group. The mapping applies from the next sign-in, or check of a session, of each member.

    A mapping with the source `scim` applies immediately. Of several groups, the role with the most rights applies, and
    the union of their company accesses. As soon as a provider has a mapping, its users without a mapped group are
    members, who have no helpdesk access.
    """
    create = partial(operations.create_mapping, request.tx, request.actor, request.settings)
    return json_response(shown(saved(request, body, create)), 201)


@routes.put(
    "/api/group-mappings/{id}",
    proof=Proof.FRESH_SESSION,
    returns=Returns(200, ShownGroupMapping, EXAMPLE),
    example=BODY_EXAMPLE,
)
def update_mapping(request: Request, id: int, body: NewGroupMapping) -> Response:
    """Replace a mapping."""
    update = partial(operations.update_mapping, request.tx, request.actor, request.settings, id)
    return json_response(shown(saved(request, body, update)))


@routes.delete("/api/group-mappings/{id}", proof=Proof.FRESH_SESSION, returns=Returns(204))
def delete_mapping(request: Request, id: int) -> Response:
    """Delete a mapping.

    Members lose what it granted at their next sign-in or check of a session, those of a SCIM group immediately. If it
    is the last mapping of its source, users keep their present role and company access, which are administered here
    from then on.
    """
    operations.delete_mapping(request.tx, request.actor, request.settings, id)
    return no_content()


def saved(request: Request, body: NewGroupMapping, save: Callable[[MappingFields], GroupMapping]) -> GroupMapping:
    """Returns the result of `save`, an operation, for the mapping that a body describes. Raises what it raises, and
    NotFound, which quotes every unknown name.
    """

    def granting(grant: Grant | None) -> GroupMapping:
        return save(MappingFields(body.source, body.group, body.role, grant))

    return with_known(partial(grant_of, request, body.company_access), granting, Grant([], []))


def shown(mapping: GroupMapping) -> ShownGroupMapping:
    """Returns the mapping in the form of responses."""
    values = {name: getattr(mapping, name) for name in mapping.__struct_fields__}
    return ShownGroupMapping(**{**values, "company_access": mapping.company_access or "all"})
