"""User accounts: the rules for creating, changing and listing them. Passwords arrive here hashed."""

import re
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, Role, require_super_admin
from issue_tracker.auth.sessions import end_sessions, token_hash
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.database.tables import setup_tokens, users
from issue_tracker.errors import Forbidden, Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.names import key, parse_name

LAST_SUPER_ADMIN = "The last active super admin cannot be demoted or disabled."


class User(msgspec.Struct, frozen=True):
    """An account, without its credentials."""

    user_id: int
    email: str
    name: str
    role: Role
    active: bool
    created_at: Timestamp
    updated_at: Timestamp


class Email(str):
    """An e-mail address as its owner spells it."""

    __slots__ = ()


def parse_email(text: str) -> Email:
    """The trimmed address. Raises ValueError when it is none; whether it exists, only a message could tell."""
    address = text.strip()
    if len(address) > 254 or not re.fullmatch(
        r"[^@\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+@[^@\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+", address
    ):
        raise ValueError("must be an e-mail address")
    return Email(parse_name(address))


def create_user(tx: Connection, actor: Actor, email: str, name: str, role: Role, password_hash: str) -> User:
    """Creates an active account. Raises Invalid when the address is taken (compared casefolded)."""
    require_super_admin(actor)
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
                    password_hash=password_hash,
                    created_at=at,
                    updated_at=at,
                )
            )
    except IntegrityError:
        raise Invalid.field("email", f"an account for “{email}” exists already") from None
    tx.execute(delete(setup_tokens))
    record(tx, actor, [Change(type=EventType.USER_CREATED, after=role.value, note=email)], at)
    return get_user_by_email(tx, email)


def update_user(
    tx: Connection,
    actor: Actor,
    user_id: int,
    *,
    name: str | None = None,
    role: Role | None = None,
    active: bool | None = None,
    password_hash: str | None = None,
) -> User:
    """Changes what is given. A new role, password or disabling holds from the next request on.

    Raises NotFound, and Invalid when no active super admin would be left.
    """
    require_super_admin(actor)
    user = _lock_user(tx, user_id)
    changes = {
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
    loses = user.role is Role.SUPER_ADMIN and user.active and ("role" in changes or changes.get("active") is False)
    if loses and _other_super_admins(tx, user_id) == 0:
        raise Invalid.field("role" if "role" in changes else "active", LAST_SUPER_ADMIN.rstrip("."))
    at = now()
    tx.execute(update(users).where(users.c.user_id == user_id).values(**changes, updated_at=at))
    if password_hash is not None or active is False:
        end_sessions(tx, user_id, keep=actor.session_id if user_id == actor.user_id else None)
    told = ", ".join(
        "password" if field == "password_hash" else f"{field}: {value}" for field, value in changes.items()
    )
    before = user.role.value if "role" in changes else None
    after = changes.get("role")
    record(
        tx,
        actor,
        [
            Change(
                type=EventType.USER_UPDATED,
                before=before,
                after=str(after) if after else None,
                note=f"{user.email} ({told})",
            )
        ],
        at,
    )
    return get_user(tx, user_id)


def change_own_password(tx: Connection, actor: Actor, password_hash: str) -> None:
    """Sets the actor's own password and ends all other sessions of theirs."""
    if actor.user_id is None:
        raise Forbidden("Only a user has a password.")
    at = now()
    tx.execute(update(users).where(users.c.user_id == actor.user_id).values(password_hash=password_hash, updated_at=at))
    end_sessions(tx, actor.user_id, keep=actor.session_id)
    user = get_user(tx, actor.user_id)
    record(tx, actor, [Change(type=EventType.USER_UPDATED, note=f"{user.email} (password)")], at)


def rename_self(tx: Connection, actor: Actor, name: str) -> User:
    """Changes the actor's own display name."""
    if actor.user_id is None:
        raise Forbidden("Only a user has a name.")
    user = _lock_user(tx, actor.user_id)
    if user.name == name:
        return user
    at = now()
    tx.execute(update(users).where(users.c.user_id == user.user_id).values(name=name, updated_at=at))
    record(tx, actor, [Change(type=EventType.USER_UPDATED, note=f"{user.email} (name: {name})")], at)
    return get_user(tx, user.user_id)


def get_user(tx: Connection, user_id: int) -> User:
    """Raises NotFound."""
    row = tx.execute(_select().where(users.c.user_id == user_id)).first()
    if row is None:
        raise NotFound("No such user.")
    return _user(row)


def get_user_by_email(tx: Connection, email: str) -> User:
    """Raises NotFound, naming the address."""
    row = tx.execute(_select().where(users.c.email_key == key(email))).first()
    if row is None:
        raise NotFound(f"There is no account for “{email}”.")
    return _user(row)


def list_users(tx: Connection, actor: Actor) -> list[User]:
    """All accounts, by name."""
    require_super_admin(actor)
    rows = [_user(row) for row in tx.execute(_select())]
    return sorted(rows, key=lambda user: (key(user.name), user.user_id))


def find_credentials(tx: Connection, email: str, *, lock: bool = False) -> tuple[User, str] | None:
    """The account for an address with its password hash, active or not. With `lock`, other changes to it wait."""
    query = _select().add_columns(users.c.password_hash).where(users.c.email_key == key(email))
    row = tx.execute(query.with_for_update() if lock else query).first()
    return None if row is None else (_user(row), row.password_hash)


def password_hash_of(tx: Connection, user_id: int) -> str:
    """The stored hash of a user who exists."""
    return str(tx.execute(select(users.c.password_hash).where(users.c.user_id == user_id)).scalar_one())


def no_users(tx: Connection) -> bool:
    """Whether the first start is still to come."""
    return tx.execute(select(users.c.user_id).limit(1)).first() is None


def offer_setup(tx: Connection, token: str, at: datetime) -> None:
    """Makes `token` the one that creates the first super admin; earlier ones end."""
    tx.execute(delete(setup_tokens))
    tx.execute(insert(setup_tokens).values(token_hash=token_hash(token), created_at=at))


def setup_allowed(tx: Connection, token: str) -> bool:
    """Whether `token` may create the first super admin: it was offered, and there is no user."""
    offered = tx.execute(select(setup_tokens).where(setup_tokens.c.token_hash == token_hash(token))).first()
    return offered is not None and no_users(tx)


def set_up(tx: Connection, token: str, email: str, name: str, password_hash: str, request_id: str) -> User:
    """Creates the first super admin, once. Raises Forbidden when the token is not, or no longer, the offered one."""
    taken = tx.execute(delete(setup_tokens).where(setup_tokens.c.token_hash == token_hash(token))).rowcount
    if not taken or not no_users(tx):
        raise Forbidden("This set-up link is not valid, or was used already.")
    actor = Actor(user_id=None, name=name, role=Role.SUPER_ADMIN, channel="session", request_id=request_id)
    return create_user(tx, actor, email, name, Role.SUPER_ADMIN, password_hash)


def _select() -> Select[Any]:
    return select(
        users.c.user_id,
        users.c.email,
        users.c.name,
        users.c.role,
        users.c.active,
        users.c.created_at,
        users.c.updated_at,
    )


def _user(row: Row[Any]) -> User:
    return User(
        row.user_id, row.email, row.name, Role(row.role), bool(row.active), iso(row.created_at), iso(row.updated_at)
    )


def _lock_user(tx: Connection, user_id: int) -> User:
    """The user, locked with all super admins, so that two of them cannot demote each other at once."""
    tx.execute(
        select(users.c.user_id)
        .where((users.c.user_id == user_id) | (users.c.role == "super_admin"))
        .order_by(users.c.user_id)
        .with_for_update()
    )
    return get_user(tx, user_id)


def _other_super_admins(tx: Connection, user_id: int) -> int:
    query = select(func.count()).where(users.c.role == "super_admin", users.c.active, users.c.user_id != user_id)
    return int(tx.execute(query).scalar_one())
