"""The sessions, browsers, tokens and second factors of any user, for super admins (contract, section 11)."""

import msgspec
from starlette.responses import Response

from issue_tracker.api.auth import SESSIONS_EXAMPLE, SessionList
from issue_tracker.api.devices import DEVICES_EXAMPLE, DeviceList, devices_of
from issue_tracker.api.factors import FACTORS_EXAMPLE, FactorList, factor_list
from issue_tracker.api.tokens import TOKEN_EXAMPLE, FullToken, NewToken, TokenList, full_token, token_of
from issue_tracker.auth import sessions, tokens, users
from issue_tracker.auth.browsers import forget_browser
from issue_tracker.auth.factors import stored
from issue_tracker.auth.single_sign_on import identities
from issue_tracker.auth.single_sign_on.identities import Identity
from issue_tracker.clock import now
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, list_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.names import Note

routes = Routes("Users", access=Access.ADMINISTRATOR, proof=Proof.SESSION)


@routes.get("/api/users/{user_id}/sessions", returns=Returns(200, SessionList, SESSIONS_EXAMPLE))
def list_sessions_of_user(request: Request, user_id: int) -> Response:
    """List the live sessions of a user, the last used first."""
    users.get_user(request.tx, user_id)
    current = request.actor.session_id
    return list_response(sessions.list_sessions(request.tx, request.settings, user_id, current, now()))


@routes.delete("/api/users/{user_id}/sessions/{id}", returns=Returns(204))
def end_session_of_user(request: Request, user_id: int, id: int) -> Response:
    """End a session of a user."""
    sessions.end_session(request.tx, request.actor, user_id, id)
    return no_content()


@routes.get("/api/users/{user_id}/devices", returns=Returns(200, DeviceList, DEVICES_EXAMPLE))
def list_devices_of_user(request: Request, user_id: int) -> Response:
    """List the browsers in which a user has signed in, the last used first."""
    users.get_user(request.tx, user_id)
    return list_response(devices_of(request, user_id))


@routes.delete("/api/users/{user_id}/devices/{id}", returns=Returns(204))
def forget_device_of_user(request: Request, user_id: int, id: str) -> Response:
    """Forget a browser of a user. Its sessions continue."""
    forget_browser(request.tx, request.actor, user_id, id)
    return no_content()


@routes.get("/api/users/{user_id}/tokens", returns=Returns(200, TokenList, {"items": [TOKEN_EXAMPLE], "total": 1}))
def list_tokens_of_user(request: Request, user_id: int) -> Response:
    """List the tokens of a user, the newest first."""
    users.get_user(request.tx, user_id)
    return list_response(tokens.list_tokens(request.tx, request.settings, request.actor, user_id))


@routes.post(
    "/api/users/{user_id}/tokens",
    proof=Proof.FRESH_SESSION,
    returns=Returns(201, FullToken, TOKEN_EXAMPLE | {"token": "itk_0123456789abcdef_…"}),
    example={"name": "monitoring", "scopes": ["read", "write"], "networks": ["192.0.2.0/24"]},
)
def create_token_of_service_account(request: Request, user_id: int, body: NewToken) -> Response:
    """Create a token of a service account. Only this response contains its text."""
    return full_token(*token_of(request, user_id, body))


@routes.delete("/api/users/{user_id}/tokens/{id}", returns=Returns(204))
def revoke_token_of_user(request: Request, user_id: int, id: int) -> Response:
    """Revoke a token of a user, permanently."""
    tokens.revoke_token(request.tx, request.actor, user_id, id)
    return no_content()


@routes.get("/api/users/{user_id}/factors", returns=Returns(200, FactorList, FACTORS_EXAMPLE))
def list_factors_of_user(request: Request, user_id: int) -> Response:
    """List the second factors of a user, the oldest first."""
    users.get_user(request.tx, user_id)
    return json_response(factor_list(request, user_id))


class FactorReset(msgspec.Struct, forbid_unknown_fields=True):
    """Why the second factors of a user are removed, and how the user's identity was verified."""

    reason: Note


@routes.post(
    "/api/users/{user_id}/factors/reset",
    proof=Proof.FRESH_SESSION,
    returns=Returns(204),
    example={"reason": "Lost the phone. Called back on the number in the staff list."},
)
def reset_factors_of_user(request: Request, user_id: int, body: FactorReset) -> Response:
    """Remove all second factors and recovery codes of another user, and end their sessions."""
    stored.reset_factors(request.tx, request.actor, user_id, body.reason)
    return no_content()


class IdentityList(msgspec.Struct):
    """The accounts of a user at identity providers."""

    items: list[Identity]
    total: int


IDENTITY_EXAMPLE = {
    "id": 4,
    "user_id": 2,
    "issuer": "https://login.example.com",
    "subject": "248289761001",
    "email": "tess@helpdesk.example",
    "created_at": "2025-01-04T10:15:00+00:00",
    "confirmed_at": "2025-01-09T08:45:00+00:00",
}


@routes.get(
    "/api/users/{user_id}/identities",
    returns=Returns(200, IdentityList, {"items": [IDENTITY_EXAMPLE], "total": 1}),
)
def list_identities_of_user(request: Request, user_id: int) -> Response:
    """List the accounts of a user at identity providers, the oldest first."""
    users.get_user(request.tx, user_id)
    return list_response(identities.list_identities(request.tx, user_id))


@routes.delete("/api/users/{user_id}/identities/{id}", proof=Proof.FRESH_SESSION, returns=Returns(204))
def unlink_identity_of_user(request: Request, user_id: int, id: int) -> Response:
    """Unlink an account at an identity provider, and end the sessions that it started."""
    identities.unlink_identity(request.tx, request.actor, user_id, id)
    return no_content()
