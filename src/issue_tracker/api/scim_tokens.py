"""Tokens with which identity providers administer accounts by SCIM: super admins only."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.auth.scim import tokens
from issue_tracker.auth.scim.tokens import ScimToken
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import SecretResponse, list_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.names import Name

routes = Routes("Users", access=Access.ADMINISTRATOR, proof=Proof.SESSION)


class NewScimToken(msgspec.Struct, forbid_unknown_fields=True):
    """A SCIM token to create. Without `expires_at`, it is valid until it is revoked, or as long as the settings allow.

    If there are `networks`, it is accepted only from these.
    """

    name: Name
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    networks: list[Annotated[str, Meta(max_length=60, examples=["192.0.2.0/24"])]] | None = None


class FullScimToken(ScimToken, frozen=True):
    """A new SCIM token, with the text that is shown only once."""

    token: str | None


class ScimTokenList(msgspec.Struct):
    """All SCIM tokens."""

    items: list[ScimToken]
    total: int


EXAMPLE = {
    "id": 2,
    "name": "Entra ID",
    "networks": [],
    "created_at": "2025-01-04T10:15:00+00:00",
    "expires_at": "2026-01-04T10:15:00+00:00",
    "last_used_at": None,
}


@routes.get("/api/scim-tokens", returns=Returns(200, ScimTokenList, {"items": [EXAMPLE], "total": 1}))
def list_scim_tokens(request: Request) -> Response:
    """List all SCIM tokens, the last used first."""
    return list_response(tokens.list_scim_tokens(request.tx, request.settings, request.actor))


@routes.post(
    "/api/scim-tokens",
    proof=Proof.FRESH_SESSION,
    returns=Returns(201, FullScimToken, EXAMPLE | {"token": "itscim_0123456789abcdef_…"}),
    example={"name": "Entra ID", "expires_at": "2026-01-04T10:15:00+00:00"},
)
def create_scim_token(request: Request, body: NewScimToken) -> Response:
    """Create a token for `/scim/v2`, with which an identity provider creates, changes and disables accounts.

    Only this response contains its text; a replayed response contains null instead.
    """
    token, text = tokens.create_scim_token(
        request.tx, request.settings, request.actor, body.name, body.expires_at, body.networks or ()
    )
    content = FullScimToken(**msgspec.structs.asdict(token), token=text)
    return SecretResponse(msgspec.to_builtins(content), "token", 201)


@routes.delete("/api/scim-tokens/{id}", returns=Returns(204))
def revoke_scim_token(request: Request, id: int) -> Response:
    """Revoke a SCIM token permanently. The accounts that it created remain as they are."""
    tokens.revoke_scim_token(request.tx, request.actor, id)
    return no_content()
