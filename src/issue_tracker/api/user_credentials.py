"""The sessions and tokens of any user, for super admins to see and to end (contract, section 11)."""

from starlette.responses import Response

from issue_tracker.api.auth import SESSIONS_EXAMPLE, SessionList
from issue_tracker.api.tokens import TOKEN_EXAMPLE, TokenList
from issue_tracker.auth import sessions, tokens, users
from issue_tracker.clock import now
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import list_response, no_content
from issue_tracker.http.routes import Returns, Routes

routes = Routes("Users", access=Access.SUPER_ADMIN, proof=Proof.SESSION)


@routes.get("/api/users/{user_id}/sessions", returns=Returns(200, SessionList, SESSIONS_EXAMPLE))
def list_sessions_of_user(request: Request, user_id: int) -> Response:
    """The live sessions of a user, the latest used first."""
    users.get_user(request.tx, user_id)
    current = request.actor.session_id
    return _unstored(sessions.list_sessions(request.tx, request.settings, user_id, current, now()))


@routes.delete("/api/users/{user_id}/sessions/{id}", returns=Returns(204))
def end_session_of_user(request: Request, user_id: int, id: int) -> Response:
    """End a session of a user."""
    sessions.end_session(request.tx, request.actor, user_id, id)
    return no_content()


@routes.get("/api/users/{user_id}/tokens", returns=Returns(200, TokenList, {"items": [TOKEN_EXAMPLE], "total": 1}))
def list_tokens_of_user(request: Request, user_id: int) -> Response:
    """The tokens of a user, the newest first."""
    users.get_user(request.tx, user_id)
    return _unstored(tokens.list_tokens(request.tx, user_id))


@routes.delete("/api/users/{user_id}/tokens/{id}", returns=Returns(204))
def revoke_token_of_user(request: Request, user_id: int, id: int) -> Response:
    """Revoke a token of a user, for good."""
    tokens.revoke_token(request.tx, request.actor, user_id, id)
    return no_content()


def _unstored(items: list[sessions.SessionInfo] | list[tokens.Token]) -> Response:
    """A list that no browser stores: where people work, and with what, is theirs."""
    response = list_response(list(items))
    response.headers["cache-control"] = "no-store"
    return response
