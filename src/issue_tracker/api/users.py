"""Accounts (contract, section 6): super admins only."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

import msgspec
from starlette.responses import Response

from issue_tracker.actor import Role, require_fresh_proof
from issue_tracker.api.company_groups import Names
from issue_tracker.auth import invitations, users
from issue_tracker.auth.company_access import set_company_access
from issue_tracker.auth.group_mappings.queries import find_access_sources
from issue_tracker.auth.passwords import Password, hash_new_password
from issue_tracker.auth.single_sign_on.break_glass import may_use_password
from issue_tracker.auth.user_names import DisplayName, Email
from issue_tracker.auth.users import User
from issue_tracker.clock import Timestamp
from issue_tracker.companies.groups.queries import get_groups
from issue_tracker.companies.queries import get_companies
from issue_tracker.company_access.grants import Grant
from issue_tracker.company_access.queries import GrantedAccess, list_granted
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.http.idempotency import once
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import SecretResponse, json_response, list_response
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.http.validation import refuse_repeated
from issue_tracker.names import key

routes = Routes("Users", access=Access.ADMINISTRATOR, proof=Proof.SESSION)


AllCompanies = Literal["all"]


class UserWithAccess(User, frozen=True):
    """An account with its company access: `all`, or the names of the groups and companies that it is limited to.

    `access_source` is the source whose groups determine the role and the company access: the id of an identity
    provider, or `scim`; null if they are administered here.
    """

    company_access: AllCompanies | GrantedAccess
    access_source: str | None = None


class CreatedUser(UserWithAccess, frozen=True):
    """A new account; `invitation_url` is the link with which its user chooses a password. It is null if a password was
    given, if the user signs in only with an identity provider, and for a service account.
    """

    invitation_url: str | None = None


class UserList(msgspec.Struct):
    """All accounts."""

    items: list[UserWithAccess]
    total: int


class InvitationLink(msgspec.Struct, frozen=True):
    """A link that works once, and is shown only once; a replayed response has null instead."""

    invitation_url: str | None
    expires_at: Timestamp


class CompanyAccessChange(msgspec.Struct, forbid_unknown_fields=True):
    """The only company groups and companies that the user may see from now on."""

    company_groups: Names | None = None
    companies: Names | None = None

    def __post_init__(self) -> None:
        refuse_repeated(self)


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """An account to create. Without a password, its user is invited to choose one.

    A given password must be changed at the first sign-in. Nobody can sign in to a service account: it has no password
    and no invitation, and super admins create its tokens. Without a company access, the user may see all companies, and
    a customer none.
    """

    email: Email
    name: DisplayName
    role: Role
    password: Password | None = None
    service_account: bool = False
    company_access: AllCompanies | CompanyAccessChange | None = None


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to make; absent or null leaves a value unchanged."""

    name: DisplayName | None = None
    role: Role | None = None
    active: bool | None = None
    password: Password | None = None
    company_access: AllCompanies | CompanyAccessChange | None = None


INVITATION_EXAMPLE = "https://issues.example.com/invitation?token=…"
USER_EXAMPLE = {
    "user_id": 2,
    "email": "tess@helpdesk.example",
    "name": "Tess Ngo",
    "role": "technician",
    "active": True,
    "service_account": False,
    "created_at": "2025-01-04T10:15:00+00:00",
    "updated_at": "2025-01-04T10:15:00+00:00",
}


SHOWN_USER_EXAMPLE = USER_EXAMPLE | {"company_access": "all", "access_source": None}


def with_access(request: Request, found: Sequence[User]) -> list[UserWithAccess]:
    """Returns the accounts with their company access, and what determines it."""
    ids = [user.user_id for user in found]
    granted = list_granted(request.tx, request.actor, ids)
    sources = find_access_sources(request.tx, request.actor, ids)
    return [
        UserWithAccess(
            **msgspec.structs.asdict(user),
            company_access=granted.get(user.user_id, "all"),
            access_source=sources.get(user.user_id),
        )
        for user in found
    ]


def grant_of(request: Request, change: AllCompanies | CompanyAccessChange) -> Grant | None:
    """Returns the company access that a body describes. Raises NotFound, which quotes every unknown name."""
    if not isinstance(change, CompanyAccessChange):
        return None
    groups = get_groups(request.tx, request.actor, change.company_groups or ())
    companies = get_companies(request.tx, request.actor, change.companies or ())
    return Grant([company.company_id for company in companies.values()], [group.group_id for group in groups])


@routes.get("/api/users", returns=Returns(200, UserList, {"items": [SHOWN_USER_EXAMPLE], "total": 1}))
def list_users(request: Request) -> Response:
    """List all accounts, by name."""
    return list_response(with_access(request, users.list_users(request.tx, request.actor)))


@routes.post(
    "/api/users",
    proof=Proof.FRESH_SESSION,
    transaction=False,
    hashes=True,
    returns=Returns(201, CreatedUser, SHOWN_USER_EXAMPLE | {"invitation_url": INVITATION_EXAMPLE}),
    errors=(404,),
    example={"email": "tess@helpdesk.example", "name": "Tess Ngo", "role": "technician"},
)
def create_user(request: Request, body: NewUser) -> Response:
    """Create an account. Without a password, the response has a link for its user, which works once within 72 hours.

    `company_access` is as in a change of an account. Without it, the user may see all companies, and a customer none.
    """
    fresh = hash_new_password(body.password, email=body.email, name=body.name) if body.password else None

    def create() -> Response:
        return SecretResponse(msgspec.to_builtins(create_account(request, body, fresh)), "invitation_url", 201)

    with request.write():
        return once(request, create)


def create_account(request: Request, body: NewUser, password_hash: str | None) -> CreatedUser:
    """Creates the account of a body in the open transaction, and invites its user if they need a password.

    Raises what the operations raise.
    """
    user = users.create_user(
        request.tx,
        request.actor,
        body.email,
        body.name,
        body.role,
        password_hash,
        service_account=body.service_account,
    )
    if body.company_access is not None:
        set_company_access(request.tx, request.actor, user.user_id, grant_of(request, body.company_access))
    [created] = with_access(request, [user])
    invited = password_hash is None and not user.service_account and may_use_password(request.settings, user.email)
    link = invitation_link(request, user.user_id).invitation_url if invited else None
    return CreatedUser(**msgspec.structs.asdict(created), invitation_url=link)


def change_account(request: Request, user_id: int, body: UserChange, password_hash: str | None = None) -> None:
    """Changes an account in the open transaction; `password_hash` is that of the password in the body. Raises what the
    operations raise, and ConfirmationRequired before all other errors of the content (contract, section 2).
    """
    _require_proof(request, user_id, body)
    users.update_user(
        request.tx,
        request.actor,
        user_id,
        name=body.name,
        role=body.role,
        active=body.active,
        password_hash=password_hash,
    )
    if body.company_access is not None:
        set_company_access(request.tx, request.actor, user_id, grant_of(request, body.company_access))


def _require_proof(request: Request, user_id: int, body: UserChange) -> None:
    if request.actor.fresh_proof:
        return
    other_role, other_access = body.role is not None, body.company_access is not None
    # An account that does not exist has neither, so that the answer about it is the same as about others.
    with suppress(NotFound):
        [present] = with_access(request, [users.get_user(request.tx, user_id)])
        other_role = other_role and body.role is not present.role
        if body.company_access is not None:
            other_access = _names(body.company_access) != _names(present.company_access)
    if body.password is not None or other_role or other_access:
        require_fresh_proof(request.actor)


def _names(access: AllCompanies | CompanyAccessChange | GrantedAccess) -> tuple[set[str], set[str]] | None:
    """Returns the keys of the named groups and companies, whether they exist or not; None for all companies."""
    if isinstance(access, str):
        return None
    return set(map(key, access.company_groups or ())), set(map(key, access.companies or ()))


def invitation_link(request: Request, user_id: int) -> InvitationLink:
    """Invites a user in the open transaction.

    Raises what `invitations.invite` raises, and Invalid for a user who signs in only with an identity provider.
    """
    if not may_use_password(request.settings, users.get_user(request.tx, user_id).email):
        raise Invalid("The user signs in with an identity provider and needs no password.")
    invitation = invitations.invite(request.tx, request.actor, user_id)
    url = f"{request.settings.public_url.rstrip('/')}/invitation?token={invitation.token}"
    return InvitationLink(url, invitation.expires_at)


@routes.post(
    "/api/users/{user_id}/invitation",
    proof=Proof.FRESH_SESSION,
    returns=Returns(
        201,
        InvitationLink,
        {"invitation_url": INVITATION_EXAMPLE, "expires_at": "2025-01-07T10:15:00+00:00"},
    ),
)
def invite_user(request: Request, user_id: int) -> Response:
    """Create a link with which a user chooses a new password. Earlier links of the user become invalid."""
    return SecretResponse(msgspec.to_builtins(invitation_link(request, user_id)), "invitation_url", 201)


@routes.get("/api/users/{user_id}", returns=Returns(200, UserWithAccess, SHOWN_USER_EXAMPLE))
def get_user(request: Request, user_id: int) -> Response:
    """Get one account, with its company access."""
    [user] = with_access(request, [users.get_user(request.tx, user_id)])
    return json_response(user)


@routes.put(
    "/api/users/{user_id}",
    transaction=False,
    hashes=True,
    returns=Returns(200, UserWithAccess, SHOWN_USER_EXAMPLE | {"active": False}),
    example={"role": "technician", "active": False},
    errors=(404,),
)
def update_user(request: Request, user_id: int, body: UserChange) -> Response:
    """Change an account. The last active super admin who sees all companies cannot be demoted, limited or disabled.

    `company_access` is `all`, or an object that names all groups and companies that the user may see; it takes effect
    with the user's next request. Only super admins with access to all companies can change accounts. If groups
    determine role and company access (`access_source`), a change lasts until they are applied again.

    A new role, password or company access needs fresh proof. The user must change a new password at the next sign-in.
    Change your own password with `POST /api/auth/password`.
    """
    fresh = None
    if body.password:
        require_fresh_proof(request.actor)
        with request.read() as tx:
            user = users.get_user(tx, user_id)
        fresh = hash_new_password(body.password, email=user.email, name=body.name or user.name)
    with request.write() as tx:
        change_account(request, user_id, body, fresh)
        [user] = with_access(request, [users.get_user(tx, user_id)])
    return json_response(user)
