"""Sign-in, and the user's own sessions (contract, section 3). `tokens` has tokens, `factors` second factors."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.actor import Role
from issue_tracker.auth import own_account, proof, sessions
from issue_tracker.auth.passwords import Password, hash_new_password, normalized
from issue_tracker.auth.sessions import SessionInfo
from issue_tracker.auth.signin import SignedIn, Visitor, sign_in
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.errors import Invalid
from issue_tracker.http.cookies import DEVICE, SESSION, cookie_name, set_cookie
from issue_tracker.http.idempotency import once
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, list_response, no_content
from issue_tracker.http.routes import Returns, Routes

routes = Routes("Sign-in", access=Access.SIGNED_IN, proof=Proof.SESSION)

DEVICE_SECONDS = 400 * 86400
"""How long a browser is recognized after a sign-in: the longest lifetime of cookies (RFC 6265bis, section 5.5)."""

CodeText = Annotated[str, Meta(max_length=100, examples=["492039"])]

ChallengeText = Annotated[str, Meta(max_length=500)]

CredentialJson = Annotated[
    dict[str, Any], Meta(description="The browser's result, in the form of `PublicKeyCredential.toJSON()`.")
]

PasswordText = Annotated[str, Meta(max_length=1024, examples=["correct horse battery staple"])]


class Credentials(msgspec.Struct, forbid_unknown_fields=True):
    """The email address and the password of a user."""

    email: Annotated[str, Meta(max_length=254, examples=["tess@helpdesk.example"])]
    password: PasswordText


class SessionUser(msgspec.Struct, frozen=True):
    """The signed-in user."""

    user_id: int
    email: str
    name: str
    role: Role


class SessionState(msgspec.Struct, frozen=True):
    """A live session. `csrf_token` must be sent in the header `X-CSRF-Token` of every unsafe request."""

    user: SessionUser
    csrf_token: str
    expires_at: Timestamp


SESSION_EXAMPLE = {
    "user": {"user_id": 2, "email": "tess@helpdesk.example", "name": "Tess Ngo", "role": "technician"},
    "csrf_token": "0f9a…",
    "expires_at": "2025-02-03T10:15:00+00:00",
}


@routes.post(
    "/api/auth/login",
    access=Access.PUBLIC,
    transaction=False,
    hashes=True,
    returns=Returns(200, SessionState, SESSION_EXAMPLE),
    example={"email": "tess@helpdesk.example", "password": "correct horse battery staple"},
    errors=(401, 429),
)
def login(request: Request, body: Credentials) -> Response:
    """Start a session. The response sets the session cookie.

    For an account with a second factor, the response is 401 with the reason `second_factor_required`, a `challenge` and
    the `methods` with which `POST /api/auth/login/second-factor` continues.
    """
    return signed_in_response(request, start_session(request, body))


def signed_in_response(request: Request, signed_in: SignedIn) -> Response:
    """Returns the response to a completed sign-in, with its cookies."""
    user = signed_in.user
    state = SessionState(
        SessionUser(user.user_id, user.email, user.name, user.role),
        sessions.csrf_token(signed_in.token),
        iso(signed_in.expires_at),
    )
    response = json_response(state, headers={"Cache-Control": "no-store"})
    for cookie in sign_in_cookies(request, signed_in):
        response.headers.append("set-cookie", cookie)
    return response


def start_session(request: Request, credentials: Credentials, *, remember: bool = False) -> SignedIn:
    """Signs in the sender of the request. With `remember`, their browser is recognized at its next sign-in.

    Raises what `sign_in` raises.
    """
    visitor = visitor_of(request, remember=remember)
    keyring = request.app_state.server_key.keyring()
    signed_in = sign_in(request.database, request.settings, keyring, credentials.email, credentials.password, visitor)
    request.log_user(signed_in.user.user_id)
    return signed_in


def visitor_of(request: Request, *, remember: bool = False) -> Visitor:
    """Returns the client of a sign-in. With `remember`, its browser is recognized after its user has signed in."""
    return Visitor(
        request.address,
        request.header("user-agent") or "",
        request.request_id,
        device=request.cookie(cookie_name(request.settings, DEVICE)),
        remember=remember,
        session=request.session_cookie,
    )


@routes.get(
    "/api/auth/session",
    proof=Proof.SESSION_ITSELF,
    before_password_change=True,
    returns=Returns(200, SessionState, SESSION_EXAMPLE),
)
def session(request: Request) -> Response:
    """Get the session that this request belongs to. A token has none: 401."""
    found = request.current_session
    state = SessionState(
        SessionUser(found.user_id, found.email, found.name, found.role),
        sessions.csrf_token(request.session_token),
        iso(found.expires_at),
    )
    return json_response(state)


@routes.post("/api/auth/logout", before_password_change=True, returns=Returns(204))
def logout(request: Request) -> Response:
    """End the session on the server, and delete its cookie."""
    sessions.end_session(request.tx, request.actor, request.user_id, request.current_session.id)
    return Response(status_code=204, headers={"Set-Cookie": session_cookie(request, "", now()), **CLEARED})


class Confirmation(msgspec.Struct, forbid_unknown_fields=True):
    """A new proof of the user's identity: the password, a code of the authenticator app, or the credential of a passkey
    with its challenge.
    """

    password: PasswordText | None = None
    code: CodeText | None = None
    challenge: ChallengeText | None = None
    credential: CredentialJson | None = None


@routes.post(
    "/api/auth/confirm",
    before_enrolment=True,
    transaction=False,
    hashes=True,
    returns=Returns(204),
    example={"password": "correct horse battery staple"},
    errors=(429,),
)
def confirm(request: Request, body: Confirmation) -> Response:
    """Give the session fresh proof, which changes to credentials need. A sign-in gives it, too."""
    # Not stored for retries: a stored response would say that the session is confirmed without confirming it.
    confirm_user(request, body)
    return no_content()


def confirm_user(request: Request, body: Confirmation) -> None:
    """Gives the session of the request fresh proof. Raises what `proof.confirm`, `confirm_with_code` and
    `confirm_with_passkey` raise.
    """
    database, settings, actor, address = request.database, request.settings, request.actor, request.address
    keyring = request.app_state.server_key.keyring
    match body:
        case Confirmation(password=str(password), code=None, challenge=None, credential=None):
            proof.confirm(database, settings, actor, password, address)
        case Confirmation(password=None, code=str(code), challenge=None, credential=None):
            proof.confirm_with_code(database, settings, keyring(), actor, code, address)
        case Confirmation(password=None, code=None, challenge=str(challenge), credential=dict(credential)):
            proof.confirm_with_passkey(database, settings, keyring(), actor, challenge, credential, address)
        case _:
            raise Invalid("Give either the password, a code, or a passkey with its challenge.")


class PasswordChange(msgspec.Struct, forbid_unknown_fields=True):
    """A new password, with the present one as proof."""

    current_password: PasswordText
    new_password: Password
    revoke_tokens: bool = False


@routes.post(
    "/api/auth/password",
    before_password_change=True,
    transaction=False,
    hashes=True,
    returns=Returns(204),
    example={"current_password": "correct horse battery staple", "new_password": "staple battery horse"},
    errors=(429,),
)
def change_password(request: Request, body: PasswordChange) -> Response:
    """Set your own password. All of your other sessions end.

    Your tokens remain, because programs use them; `revoke_tokens` revokes all of them, for example after a theft.
    """
    fresh = checked_new_password(request, body)

    def change() -> Response:
        own_account.change_own_password(request.tx, request.actor, fresh, with_tokens=body.revoke_tokens)
        return no_content()

    with request.write():
        return once(request, change)


def checked_new_password(request: Request, change: PasswordChange) -> str:
    """Returns the hash of the new password, computed outside any transaction.

    Raises Invalid for a wrong current password and for an unacceptable new one; TooManyAttempts; TooBusy.
    """
    correct = proof.is_own_password(
        request.database, request.settings, request.actor, change.current_password, request.address
    )
    if not correct:
        raise Invalid.field("current_password", "is wrong")
    session = request.current_session
    if session.password_change_required and change.new_password == normalized(change.current_password):
        raise Invalid.field("new_password", "must not be the current password, which a super admin knows")
    return hash_new_password(change.new_password, email=session.email, name=session.name, field="new_password")


class SessionList(msgspec.Struct):
    """The live sessions of a user."""

    items: list[SessionInfo]
    total: int


SESSIONS_EXAMPLE = {
    "items": [
        {
            "id": 9,
            "address": "192.0.2.7",
            "user_agent": "Mozilla/5.0",
            "created_at": "2025-01-04T10:15:00+00:00",
            "used_at": "2025-01-09T08:45:00+00:00",
            "expires_at": "2025-02-03T10:15:00+00:00",
            "current": True,
        }
    ],
    "total": 1,
}


@routes.get("/api/auth/sessions", returns=Returns(200, SessionList, SESSIONS_EXAMPLE))
def list_sessions(request: Request) -> Response:
    """List your own live sessions, most recently used first."""
    current = request.actor.session_id
    return list_response(sessions.list_sessions(request.tx, request.settings, request.user_id, current, now()))


@routes.delete("/api/auth/sessions/{id}", returns=Returns(204))
def end_session(request: Request, id: int) -> Response:
    """End one of your own sessions."""
    sessions.end_session(request.tx, request.actor, request.user_id, id)
    return no_content()


CLEARED = {"Clear-Site-Data": '"cache", "storage"'}
"""Tells a browser at sign-out to clear responses and stored texts.

`"cookies"` is not included, because it would also remove those of other programs on the same host and parent domain;
the session cookie is deleted separately. Browsers obey with https, and on localhost.
"""


def session_cookie(request: Request, token: str, expires_at: datetime) -> str:
    """Returns the Set-Cookie value of a session; an empty token deletes the cookie."""
    age = max(0, int((expires_at - now()).total_seconds())) if token else 0
    return set_cookie(request.settings, SESSION, token, seconds=age)


def sign_in_cookies(request: Request, signed_in: SignedIn) -> list[str]:
    """Returns the Set-Cookie values after a sign-in: of the session, and of the browser if it will be recognized."""
    session = session_cookie(request, signed_in.token, signed_in.expires_at)
    if not signed_in.device:
        return [session]
    return [session, set_cookie(request.settings, DEVICE, signed_in.device, seconds=DEVICE_SECONDS)]
