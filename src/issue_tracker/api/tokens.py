"""The user's own API tokens (contract, section 9)."""

from datetime import datetime
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.api.given_companies import with_known
from issue_tracker.api.users import AllCompanies, CompanyAccessChange, grant_of
from issue_tracker.auth import tokens
from issue_tracker.auth.tokens import Scope, Token
from issue_tracker.company_access.grants import Grant
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import SecretResponse, list_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.names import Name

routes = Routes("Sign-in", access=Access.SIGNED_IN, proof=Proof.SESSION)


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """A token to create. Without an end, it is valid until it is revoked, or as long as the settings allow.

    It is accepted only from the `networks`, if there are any. `company_access` narrows that of its owner.
    """

    name: Name
    scopes: list[Scope]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    networks: list[Annotated[str, Meta(max_length=60, examples=["192.0.2.0/24"])]] | None = None
    company_access: AllCompanies | CompanyAccessChange | None = None


class FullToken(Token, frozen=True):
    """A new token, with its text, which is shown only once."""

    token: str | None


class TokenList(msgspec.Struct):
    """The tokens of a user."""

    items: list[Token]
    total: int


TOKEN_EXAMPLE = {
    "id": 4,
    "name": "monitoring",
    "scopes": ["read", "write"],
    "networks": ["192.0.2.0/24"],
    "company_access": "all",
    "created_at": "2025-01-04T10:15:00+00:00",
    "expires_at": None,
    "last_used_at": None,
}


@routes.post(
    "/api/auth/tokens",
    access=Access.HELPDESK,
    proof=Proof.FRESH_SESSION,
    returns=Returns(201, FullToken, TOKEN_EXAMPLE | {"token": "itk_0123456789abcdef_…"}),
    example={"name": "monitoring", "scopes": ["read", "write"], "networks": ["192.0.2.0/24"]},
    errors=(404,),
)
def create_token(request: Request, body: NewToken) -> Response:
    """Create an API token. Only this response contains its text; a replayed response has null instead."""
    return full_token(*token_of(request, request.user_id, body))


def token_of(request: Request, user_id: int, body: NewToken) -> tuple[Token, str]:
    """Creates the token of a body for a user, and returns it with its text. Raises what `tokens.create_token` raises,
    and NotFound for unknown companies and groups.
    """

    def create(grant: Grant | None) -> tuple[Token, str]:
        return tokens.create_token(
            request.tx,
            request.settings,
            request.actor,
            user_id,
            body.name,
            body.scopes,
            body.expires_at,
            networks=body.networks or (),
            grant=grant,
        )

    access = body.company_access
    return create(None) if access is None else with_known(partial(grant_of, request, access), create, Grant([], []))


def full_token(token: Token, text: str) -> Response:
    """Returns the response that shows the text of a token once."""
    content = FullToken(**msgspec.structs.asdict(token), token=text)
    return SecretResponse(msgspec.to_builtins(content), "token", 201)


@routes.get("/api/auth/tokens", returns=Returns(200, TokenList, {"items": [TOKEN_EXAMPLE], "total": 1}))
def list_tokens(request: Request) -> Response:
    """List your own tokens, the newest first."""
    return list_response(tokens.list_tokens(request.tx, request.settings, request.actor, request.user_id))


@routes.delete("/api/auth/tokens/{id}", returns=Returns(204))
def revoke_token(request: Request, id: int) -> Response:
    """Revoke one of your own tokens, permanently."""
    tokens.revoke_token(request.tx, request.actor, request.user_id, id)
    return no_content()
