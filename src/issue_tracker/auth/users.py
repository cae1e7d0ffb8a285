"""User accounts: the rules for creating, changing and listing them. Passwords arrive here as hashes.

Only super admins with access to all companies manage accounts: others could grant themselves what they may not see.
"""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, Role, require_administrator, require_fresh_proof
from issue_tracker.auth.passwords import NO_PASSWORD
from issue_tracker.auth.places import forget_places
from issue_tracker.auth.queries import lock_owned_issues
from issue_tracker.auth.sessions import end_sessions
from issue_tracker.auth.tokens import revoke_tokens
from issue_tracker.auth.user_names import DisplayName, Email, require_own_look
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.database.tables import invitations, setup_tokens, users
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.field_errors import FieldErrors
from issue_tracker.names import key
from issue_tracker.new_names import Kind, remember, remember_new, require_visible

NO_SIGN_IN = "must not be set for a service account, to which nobody can sign in"
LAST_SUPER_ADMIN = "The last active super admin who sees all companies cannot be demoted, limited or disabled."


class User(msgspec.Struct, frozen=True):
    """An account, without its credentials. Nobody signs in to a service account: a program uses its tokens."""

    user_id: int
    email: str
    name: str
    role: Role
    active: bool
    service_account: bool
    created_at: Timestamp
    updated_at: Timestamp

    @property
    def administers(self) -> bool:
        """Whether a person uses the account as an active super admin."""
        return self.role is Role.SUPER_ADMIN and self.active and not self.service_account


def create_user(
    tx: Connection,
    actor: Actor,
    email: Email,
    name: DisplayName,
    role: Role,
    password_hash: str | None,
    *,
    service_account: bool = False,
) -> User:
    """Creates an active account. Without a password (None), its user needs an invitation, except a service account.

    A password that another user chose must be changed at the first sign-in. A customer sees no company until
    `set_company_access` grants some; all other roles see all companies until it limits them.

    Raises Invalid for an address that is taken, for a name that imitates another user's, for an invisible character in
    either, and for a service account with a password; Forbidden unless `actor` is a super admin who sees all
    companies; ConfirmationRequired.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    errors = FieldErrors()
    if service_account and password_hash is not None:
        errors.add("password", NO_SIGN_IN)
    with errors.collected():
        require_visible("email", email)
    with errors.collected():
        require_own_look(tx, name)
    errors.raise_found()
    at = now()
    try:
        with tx.begin_nested():
            tx.execute(
                insert(users).values(
                    email=email,
                    email_key=key(email),
                    name=name,
                    role=role.value,
                    active=True,
                    password_hash=NO_PASSWORD if password_hash is None else password_hash,
                    password_change_required=password_hash is not None and actor.user_id is not None,
                    all_companies=role is not Role.CUSTOMER,
                    service_account=service_account,
                    created_at=at,
                    updated_at=at,
                )
            )
    except IntegrityError:
        raise Invalid.field("email", f"an account for “{email}” already exists") from None
    # A set-up link works only while there is no user, however the first one was created.
    tx.execute(delete(setup_tokens))
    note = f"{email} (service account)" if service_account else email
    record(tx, actor, [Change(type=EventType.USER_CREATED, after=role.value, note=note)], at)
    user = get_user_by_email(tx, email)
    remember(tx, Kind.USER, {user.user_id: name})
    return user


def update_user(
    tx: Connection,
    actor: Actor,
    user_id: int,
    *,
    name: DisplayName | None = None,
    role: Role | None = None,
    active: bool | None = None,
    password_hash: str | None = None,
) -> User:
    """Changes the given fields; None leaves a field unchanged.

    All changes take effect with the user's next request. A new password and disabling also end the user's sessions
    (except the one in which `actor` changes their own account), void invitations, revoke tokens permanently, and forget
    where the user has signed in, because an attacker who took over the account may have created them. A password that
    another user chose must be changed. A user who becomes a customer sees no company until some are granted.

    Raises NotFound; Invalid if no active super admin who sees all companies would be left, if the name imitates another
    user's, and for a new password of a service account or of the actor's own, which needs the current one
    (change_own_password); Forbidden unless `actor` is such a super admin; ConfirmationRequired for a new role or
    password.
    """
    require_administrator(actor)
    user = lock_user(tx, user_id)
    errors = FieldErrors()
    if password_hash is not None and user.service_account:
        errors.add("password", NO_SIGN_IN)
    elif password_hash is not None and user_id == actor.user_id:
        errors.add("password", "cannot be set for your own account; change it with the current password")
    changes: dict[str, Any] = {
        field: value
        for field, value, old in (
            ("name", name, user.name),
            ("role", role.value if role else None, user.role.value),
            ("active", active, user.active),
            ("password_hash", password_hash, None),
        )
        if value is not None and value != old
    }
    if not changes:
        return user
    if "role" in changes or "password_hash" in changes:
        require_fresh_proof(actor)
    demoting = [field for field in ("role", "active") if field in changes and changes[field] is not True]
    if demoting and is_last_super_admin(tx, user):
        for field in demoting:
            errors.add(field, LAST_SUPER_ADMIN.rstrip("."))
    if name is not None and "name" in changes:
        with errors.collected():
            require_own_look(tx, name, user_id)
    errors.raise_found()
    if name is not None and "name" in changes:
        lock_owned_issues(tx, user_id)
        remember_new(tx, Kind.USER, user_id, name)
    at = now()
    summary = ", ".join(
        "password" if field == "password_hash" else f"{field}: {value}" for field, value in changes.items()
    )
    change = Change(
        type=EventType.USER_UPDATED,
        before=user.role.value if "role" in changes else None,
        after=str(changes["role"]) if "role" in changes else None,
        note=f"{user.email} ({summary})",
    )
    if password_hash is not None:
        changes["password_change_required"] = actor.user_id is not None
    if role is Role.CUSTOMER:
        changes["all_companies"] = False
    tx.execute(update(users).where(users.c.user_id == user_id).values(**changes, updated_at=at))
    if password_hash is not None or active is False:
        end_sessions(tx, user_id, keep=actor.session_id if user_id == actor.user_id else None)
        tx.execute(delete(invitations).where(invitations.c.user_id == user_id))
        forget_places(tx, user_id)
    record(tx, actor, [change], at)
    if "active" in changes or password_hash is not None:
        # Also on activation: a token that an earlier version created for a disabled account must stay invalid.
        revoke_tokens(tx, actor, user_id)
    return get_user(tx, user_id)


def set_own_password(tx: Connection, user_id: int, password_hash: str, at: datetime) -> None:
    """Stores a password that only the user knows, and voids the user's invitations."""
    values = {"password_hash": password_hash, "password_change_required": False, "updated_at": at}
    tx.execute(update(users).where(users.c.user_id == user_id).values(values))
    tx.execute(delete(invitations).where(invitations.c.user_id == user_id))


def get_user(tx: Connection, user_id: int) -> User:
    """Returns the account with this id, active or not. Raises NotFound."""
    row = tx.execute(select(users).where(users.c.user_id == user_id)).first()
    if row is None:
        raise NotFound("There is no such user.")
    return _user(row)


def get_user_by_email(tx: Connection, email: str) -> User:
    """Returns the account with this address, active or not. Raises NotFound, which quotes the address."""
    row = tx.execute(select(users).where(users.c.email_key == key(email))).first()
    if row is None:
        raise NotFound(f"There is no account for “{email}”.")
    return _user(row)


def list_users(tx: Connection, actor: Actor) -> list[User]:
    """Returns all accounts by casefolded name.

    Raises Forbidden unless `actor` is a super admin who sees all companies.
    """
    require_administrator(actor)
    return sorted(map(_user, tx.execute(select(users))), key=lambda user: (key(user.name), user.user_id))


def is_last_super_admin(tx: Connection, user: User) -> bool:
    """Returns whether there would be no active super admin who sees all companies without this user."""
    return user.administers and other_super_admins(tx, user.user_id) == 0


def find_credentials(tx: Connection, email: str, *, lock: bool = False) -> tuple[User, str] | None:
    """Returns the account with this address, active or not, and its password hash; None if there is no such account.

    With `lock`, concurrent changes to the account wait until the transaction ends.
    """
    query = select(users).where(users.c.email_key == key(email))
    row = tx.execute(query.with_for_update() if lock else query).first()
    return None if row is None else (_user(row), row.password_hash)


def password_hash_of(tx: Connection, user_id: int) -> str:
    """Returns the stored password hash of an existing user."""
    return str(tx.execute(select(users.c.password_hash).where(users.c.user_id == user_id)).scalar_one())


def _user(row: Row[Any]) -> User:
    return User(
        user_id=row.user_id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        active=bool(row.active),
        service_account=bool(row.service_account),
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
    )


def lock_user(tx: Connection, user_id: int) -> User:
    """Returns the user, locked together with all super admins, so that two of them cannot demote each other."""
    admins = users.c.role == Role.SUPER_ADMIN.value
    locked = select(users.c.user_id).where((users.c.user_id == user_id) | admins)
    # Super admins first, so that transactions that change several users take turns; `key_share` admits references.
    tx.execute(locked.order_by(admins.desc(), users.c.user_id).with_for_update(key_share=True))
    return get_user(tx, user_id)


def other_super_admins(tx: Connection, user_id: int) -> int:
    """Returns the number of other active super admins who can sign in and have access to all companies; only they can
    change a company access.
    """
    query = select(func.count()).where(
        users.c.role == Role.SUPER_ADMIN.value,
        users.c.active,
        users.c.all_companies,
        users.c.service_account.is_(False),
        users.c.user_id != user_id,
    )
    return int(tx.execute(query).scalar_one())
