"""Accounts (contract, section 6): super admins only."""

import msgspec
from starlette.responses import Response

from issue_tracker.actor import Role
from issue_tracker.auth import users
from issue_tracker.auth.passwords import Password, generate_password, hash_password
from issue_tracker.auth.users import DisplayName, Email, User
from issue_tracker.http.idempotency import once
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import SecretResponse, json_response, list_response
from issue_tracker.http.routes import Returns, Routes

routes = Routes("Users", access=Access.SUPER_ADMIN, proof=Proof.SESSION)


class UserList(msgspec.Struct):
    """All accounts."""

    items: list[User]
    total: int


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """An account to create. Without a password one is generated, and shown in the response, once."""

    email: Email
    name: DisplayName
    role: Role
    password: Password | None = None


class CreatedUser(User, frozen=True):
    """A new account; `password` is the generated one, or null when it was given."""

    password: str | None = None


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; absent or null keeps the present value."""

    name: DisplayName | None = None
    role: Role | None = None
    active: bool | None = None
    password: Password | None = None


USER_EXAMPLE = {
    "user_id": 2,
    "email": "tess@helpdesk.example",
    "name": "Tess Ngo",
    "role": "technician",
    "active": True,
    "created_at": "2025-01-04T10:15:00+00:00",
    "updated_at": "2025-01-04T10:15:00+00:00",
}


@routes.get("/api/users", returns=Returns(200, UserList, {"items": [USER_EXAMPLE], "total": 1}))
def list_users(request: Request) -> Response:
    """All accounts, by name."""
    return list_response(users.list_users(request.tx, request.actor))


@routes.post(
    "/api/users",
    proof=Proof.FRESH_SESSION,
    transaction=False,
    hashes=True,
    returns=Returns(201, CreatedUser, USER_EXAMPLE | {"password": "kX3…"}),
    example={"email": "tess@helpdesk.example", "name": "Tess Ngo", "role": "technician"},
)
def create_user(request: Request, body: NewUser) -> Response:
    """Create an account."""
    password = body.password or generate_password()
    fresh = hash_password(password)

    def create() -> Response:
        user = users.create_user(request.tx, request.actor, body.email, body.name, body.role, fresh)
        shown = None if body.password else password
        content = CreatedUser(**msgspec.structs.asdict(user), password=shown)
        return SecretResponse(msgspec.to_builtins(content), "password", 201)

    with request.write():
        return once(request, create)


@routes.put(
    "/api/users/{user_id}",
    transaction=False,
    hashes=True,
    returns=Returns(200, User, USER_EXAMPLE | {"active": False}),
    example={"role": "technician", "active": False},
)
def update_user(request: Request, user_id: int, body: UserChange) -> Response:
    """Change an account. The last active super admin cannot be demoted or disabled.

    A new role or password needs fresh proof.
    """
    fresh = hash_password(body.password) if body.password else None
    with request.write() as tx:
        user = users.update_user(
            tx, request.actor, user_id, name=body.name, role=body.role, active=body.active, password_hash=fresh
        )
    return json_response(user)
