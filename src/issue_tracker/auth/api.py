"""Sign-in, sessions, tokens, the first set-up, and users (contract, sections 3, 6 and 9)."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from issue_tracker.actor import Role
from issue_tracker.auth import sessions, tokens, users
from issue_tracker.auth.passwords import Password, generate_password, hash_password, verify_password
from issue_tracker.auth.sessions import SessionInfo
from issue_tracker.auth.signin import SignedIn, Visitor, sign_in
from issue_tracker.auth.tokens import Scope, Token
from issue_tracker.auth.users import Email, User
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.errors import Forbidden, Invalid
from issue_tracker.names import Name
from issue_tracker.web.answer import Answer, encode
from issue_tracker.web.context import Access, Context, Identity
from issue_tracker.web.idempotency import once
from issue_tracker.web.routing import Routes

routes = Routes("Sign-in", access=Access.SIGNED_IN)
user_routes = Routes("Users", access=Access.SUPER_ADMIN)

PasswordText = Annotated[str, Meta(max_length=1024, examples=["correct horse battery staple"])]


class Credentials(msgspec.Struct, forbid_unknown_fields=True):
    """What a person signs in with."""

    email: Annotated[str, Meta(max_length=254, examples=["tess@helpdesk.example"])]
    password: PasswordText


class SessionUser(msgspec.Struct, frozen=True):
    """Who is signed in."""

    user_id: int
    email: str
    name: str
    role: Role


class SessionState(msgspec.Struct, frozen=True):
    """A live session. `csrf_token` goes into the header `X-CSRF-Token` of every unsafe request."""

    user: SessionUser
    csrf_token: str
    expires_at: Timestamp


@routes.post(
    "/api/auth/login",
    access=Access.PUBLIC,
    transaction=False,
    answers={200: SessionState},
    errors=(400, 401, 403, 413, 415, 429),
)
def login(request: Context, body: Credentials) -> Answer:
    """Start a session. The answer sets the session cookie."""
    signed_in = session_of(request, body)
    user = signed_in.user
    state = SessionState(
        SessionUser(user.user_id, user.email, user.name, user.role),
        sessions.csrf_token(signed_in.token),
        iso(signed_in.expires_at),
    )
    answer = Answer.json(state, headers={"Cache-Control": "no-store"})
    answer.headers.append(("Set-Cookie", session_cookie(request, signed_in.token, signed_in.expires_at)))
    return answer


def session_of(request: Context, credentials: Credentials) -> SignedIn:
    """Signs in whoever sent the request. Raises as sign_in does."""
    call = request.call
    visitor = Visitor(call.address, call.headers.get("user-agent", ""), call.request_id)
    return sign_in(request.database, request.settings, credentials.email, credentials.password, visitor)


@routes.get("/api/auth/session", session_only=True, answers={200: SessionState})
def session(request: Context) -> Answer:
    """The session that this request belongs to. A token has none."""
    return Answer.json(session_state(request.identity))


@routes.post("/api/auth/logout", answers={204: None})
def logout(request: Context) -> Answer:
    """End the session, on the server too."""
    if request.identity.session is not None:
        sessions.end_session(request.tx, request.user_id, request.identity.session.id)
    answer = Answer.none()
    answer.headers.append(("Set-Cookie", session_cookie(request, "", now())))
    return answer


class PasswordChange(msgspec.Struct, forbid_unknown_fields=True):
    """A new password, with the present one as proof."""

    current_password: PasswordText
    new_password: Password


@routes.post("/api/auth/password", session_only=True, transaction=False, answers={204: None}, errors=(400, 413, 415))
def change_password(request: Context, body: PasswordChange) -> Answer:
    """Set one's own password. All other sessions of the user end."""
    return change_own_password(request, body.current_password, body.new_password)


def change_own_password(request: Context, current: str, new: Password) -> Answer:
    """Hashes outside any transaction, then changes. Raises Invalid for a wrong current password."""
    with request.database.read() as tx:
        held = users.password_hash_of(tx, request.user_id)
    if not verify_password(held, current):
        raise Invalid.field("current_password", "is wrong")
    fresh = hash_password(new)

    def change(context: Context) -> Answer:
        users.change_own_password(context.tx, context.actor, fresh)
        return Answer.none()

    return request.write(lambda context: once(context, lambda: change(context)))


class SessionList(msgspec.Struct):
    """One's own live sessions."""

    items: list[SessionInfo]
    total: int


@routes.get("/api/auth/sessions", answers={200: SessionList})
def list_sessions(request: Context) -> Answer:
    """One's own live sessions, the latest used first."""
    session = request.identity.session
    current = session.id if session else None
    return Answer.items(sessions.list_sessions(request.tx, request.settings, request.user_id, current, now()))


@routes.delete("/api/auth/sessions/{id}", answers={204: None}, errors=(404,))
def end_session(request: Context, id: int) -> Answer:
    """End one of one's own sessions."""
    sessions.end_session(request.tx, request.user_id, id)
    return Answer.none()


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """A token to make. Without an end it lives until it is revoked."""

    name: Name
    scopes: list[Scope]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class FullToken(Token, frozen=True):
    """A new token, with the text that is shown this once."""

    token: str | None


class TokenList(msgspec.Struct):
    """One's own tokens."""

    items: list[Token]
    total: int


@routes.post(
    "/api/auth/tokens", session_only=True, access=Access.HELPDESK, answers={201: FullToken}, errors=(400, 413, 415, 422)
)
def create_token(request: Context, body: NewToken) -> Answer:
    """Make an API token. Its text is in this answer and nowhere else; a replayed answer has null instead."""
    token, text = tokens.create_token(
        request.tx, request.actor, request.user_id, body.name, body.scopes, body.expires_at
    )
    fields = msgspec.structs.asdict(token)
    answer = Answer.json(FullToken(**fields, token=text), status=201, headers={"Cache-Control": "no-store"})
    answer.stored_body = encode(FullToken(**fields, token=None))
    return answer


@routes.get("/api/auth/tokens", answers={200: TokenList})
def list_tokens(request: Context) -> Answer:
    """One's own tokens, the newest first."""
    return Answer.items(tokens.list_tokens(request.tx, request.user_id))


@routes.delete("/api/auth/tokens/{id}", answers={204: None}, errors=(404,))
def revoke_token(request: Context, id: int) -> Answer:
    """Revoke one of one's own tokens, for good."""
    tokens.revoke_token(request.tx, request.actor, request.user_id, id)
    return Answer.none()


class Setup(msgspec.Struct, forbid_unknown_fields=True):
    """The first super admin, with the token of the link that the server printed."""

    token: Annotated[str, Meta(max_length=200)]
    email: Email
    name: Name
    password: Password


@routes.post("/api/setup", access=Access.PUBLIC, transaction=False, answers={201: User}, errors=(400, 403, 413, 415))
def set_up(request: Context, body: Setup) -> Answer:
    """Create the first super admin. Works once, and only while there is no user."""
    user = first_user(request, body)
    return Answer.json(user, status=201)


def first_user(request: Context, setup: Setup) -> User:
    """Hashes outside any transaction, and not at all for a token that was never offered."""
    with request.database.read() as tx:
        if not users.setup_allowed(tx, setup.token):
            raise Forbidden("This set-up link is not valid, or was used already.")
    fresh = hash_password(setup.password)
    with request.database.write() as tx:
        return users.set_up(tx, setup.token, setup.email, setup.name, fresh, request.call.request_id)


class UserList(msgspec.Struct):
    """All accounts."""

    items: list[User]
    total: int


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """An account to create. Without a password one is made, and shown in the answer, once."""

    email: Email
    name: Name
    role: Role
    password: Password | None = None


class CreatedUser(User, frozen=True):
    """A new account; `password` is the generated one, or null when it was given."""

    password: str | None = None


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; absent or null keeps what is there."""

    name: Name | None = None
    role: Role | None = None
    active: bool | None = None
    password: Password | None = None


@user_routes.get("/api/users", answers={200: UserList})
def list_users(request: Context) -> Answer:
    """All accounts, by name."""
    return Answer.items(users.list_users(request.tx, request.actor))


@user_routes.post("/api/users", transaction=False, answers={201: CreatedUser}, errors=(400, 413, 415, 422))
def create_user(request: Context, body: NewUser) -> Answer:
    """Create an account."""
    password = body.password or generate_password()
    fresh = hash_password(password)

    def create(context: Context) -> Answer:
        user = users.create_user(context.tx, context.actor, body.email, body.name, body.role, fresh)
        fields = msgspec.structs.asdict(user)
        shown = None if body.password else password
        answer = Answer.json(CreatedUser(**fields, password=shown), status=201)
        answer.stored_body = encode(CreatedUser(**fields, password=None))
        return answer

    return request.write(lambda context: once(context, lambda: create(context)))


@user_routes.put("/api/users/{user_id}", transaction=False, answers={200: User}, errors=(400, 404, 413, 415))
def update_user(request: Context, user_id: int, body: UserChange) -> Answer:
    """Change an account. The last active super admin cannot be demoted or disabled."""
    fresh = hash_password(body.password) if body.password else None
    with request.database.write() as tx:
        user = users.update_user(
            tx, request.actor, user_id, name=body.name, role=body.role, active=body.active, password_hash=fresh
        )
    return Answer.json(user)


def session_state(identity: Identity) -> SessionState:
    """What `GET /api/auth/session` tells."""
    session, token = identity.session, identity.session_token
    assert session is not None and token is not None
    return SessionState(
        SessionUser(session.user_id, session.email, session.name, session.role),
        sessions.csrf_token(token),
        iso(session.expires_at),
    )


def session_cookie(request: Context, token: str, expires_at: datetime) -> str:
    """The Set-Cookie value of a session; an empty token takes the cookie away."""
    age = max(0, int((expires_at - now()).total_seconds())) if token else 0
    secure = "; Secure" if request.settings.https else ""
    return f"{request.runtime.cookie_name}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"
