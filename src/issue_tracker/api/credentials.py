"""The credentials of all users, for super admins to list and revoke."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.auth.all_credentials import (
    Credential,
    CredentialKey,
    Kind,
    list_credentials,
    revoke_credentials,
)
from issue_tracker.clock import now
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, list_response
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.integers import RowId

routes = Routes("Users", access=Access.ADMINISTRATOR, proof=Proof.SESSION)

CREDENTIAL_EXAMPLE = {
    "kind": "token",
    "id": 4,
    "user": {
        "user_id": 2,
        "email": "tess@helpdesk.example",
        "name": "Tess Ngo",
        "role": "technician",
        "service_account": False,
    },
    "name": "monitoring",
    "scopes": ["read"],
    "networks": ["192.0.2.0/24"],
    "company_access": "all",
    "address": None,
    "user_agent": None,
    "created_at": "2025-01-04T10:15:00+00:00",
    "last_used_at": "2025-01-09T08:45:00+00:00",
    "expires_at": None,
    "current": False,
}


class CredentialQuery(msgspec.Struct, kw_only=True):
    """The filters of a list of credentials."""

    kind: Annotated[Kind | None, Meta(description="Only credentials of this kind.")] = None
    user_id: Annotated[RowId | None, Meta(description="Only credentials of this user.")] = msgspec.field(
        default=None, name="userId"
    )


class CredentialList(msgspec.Struct):
    """Tokens, live sessions, known browsers and SCIM tokens, each with the last used first."""

    items: list[Credential]
    total: int


class CredentialId(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One credential."""

    kind: Kind
    id: CredentialKey


class Revocation(msgspec.Struct, forbid_unknown_fields=True):
    """The credentials to revoke."""

    credentials: list[CredentialId]


class Revoked(msgspec.Struct, frozen=True):
    """The number of credentials that were revoked."""

    revoked: int


@routes.get("/api/credentials", returns=Returns(200, CredentialList, {"items": [CREDENTIAL_EXAMPLE], "total": 1}))
def list_all_credentials(request: Request, query: CredentialQuery) -> Response:
    """List the tokens, the live sessions and the known browsers of all users, and the SCIM tokens."""
    found = list_credentials(request.tx, request.settings, request.actor, now(), kind=query.kind, user_id=query.user_id)
    return list_response(found)


@routes.post(
    "/api/credentials/revoke",
    returns=Returns(200, Revoked, {"revoked": 1}),
    example={"credentials": [{"kind": "token", "id": 4}]},
)
def revoke(request: Request, body: Revocation) -> Response:
    """Revoke tokens, end sessions and forget browsers, permanently.

    Credentials that have already ended are not counted.
    """
    chosen = [(one.kind, one.id) for one in body.credentials]
    return json_response(Revoked(revoke_credentials(request.tx, request.actor, chosen)))
