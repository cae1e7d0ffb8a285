"""The second factors of a user: authenticator apps and passkeys. `users.has_factor` says whether there are any."""

from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, delete, func, select, update

from issue_tracker.actor import Actor, require_administrator, require_fresh_proof
from issue_tracker.auth.factors import recovery
from issue_tracker.auth.own_account import lock_self
from issue_tracker.auth.sessions import end_sessions
from issue_tracker.auth.users import User, lock_user
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.database.tables import factors, users
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.looks import illegible
from issue_tracker.names import Note
from issue_tracker.settings import Settings

MOST = 10
"""Maximum number of factors of a user. Each further authenticator app adds a code that a guess may hit."""


class Method(StrEnum):
    """A method of the second step of a sign-in."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY = "recovery"


class Factor(msgspec.Struct, frozen=True):
    """A factor as shown to its user. `name` is the user's name for the app or the passkey."""

    id: int
    method: Method
    name: str
    created_at: Timestamp
    last_used_at: Timestamp | None


def list_factors(tx: Connection, user_id: int) -> list[Factor]:
    """Returns the confirmed factors of a user, the oldest first."""
    query = (
        select(factors).where(factors.c.user_id == user_id, factors.c.confirmed_at.is_not(None)).order_by(factors.c.id)
    )
    return [
        Factor(
            id=row.id,
            method=Method(row.method),
            name=row.name,
            created_at=iso(row.created_at),
            last_used_at=iso(row.last_used_at) if row.last_used_at else None,
        )
        for row in tx.execute(query)
    ]


def methods_of(tx: Connection, user_id: int) -> list[Method]:
    """Returns the methods by which the user can take the second step; empty for a user without a factor."""
    own = factors.c.user_id == user_id, factors.c.confirmed_at.is_not(None)
    stored = set(tx.execute(select(factors.c.method).where(*own).distinct()).scalars())
    if stored and recovery.count_codes(tx, user_id):
        stored.add(Method.RECOVERY)
    return [method for method in Method if method in stored]


def require_room(tx: Connection, user_id: int, name: str) -> None:
    """Raises Invalid if the user has the maximum number of factors, or one of that name, or if the name has
    an invisible character.
    """
    if reason := illegible(name):
        raise Invalid.field("name", reason)
    present = list_factors(tx, user_id)
    if len(present) >= MOST:
        raise Invalid(f"You have {MOST} factors, which is the maximum. Remove one first.")
    if any(factor.name == name for factor in present):
        raise Invalid.field("name", f"you already have a factor called “{name}”")


def added(tx: Connection, actor: Actor, user_id: int, method: Method, name: str, at: datetime) -> list[str]:
    """Completes a new factor after its confirmation: ends the user's other sessions, and creates recovery codes.

    Returns the recovery codes, which are shown only once; empty for a user who already has some.
    """
    tx.execute(update(users).where(users.c.user_id == user_id).values(has_factor=True, updated_at=at))
    end_sessions(tx, user_id, keep=actor.session_id)
    record(tx, actor, [Change(type=EventType.FACTOR_CREATED, after=name, note=method.value)], at)
    return [] if recovery.count_codes(tx, user_id) else recovery.new_codes(tx, user_id)


def remove_factor(tx: Connection, settings: Settings, actor: Actor, factor_id: int) -> None:
    """Removes one of the actor's factors, and with the last one the recovery codes. Ends the actor's other sessions.

    Raises NotFound; ConfirmationRequired; Invalid for the last factor of a user who needs one; and what `lock_self`
    raises.
    """
    assert actor.user_id is not None, "only a user has factors"
    require_fresh_proof(actor)
    lock_self(tx, actor)
    present = list_factors(tx, actor.user_id)
    found = next((factor for factor in present if factor.id == factor_id), None)
    if found is None:
        raise NotFound("There is no such factor.")
    if len(present) == 1 and settings.needs_second_factor(super_admin=actor.super_admin):
        raise Invalid("Your account needs a second factor. Add another one before you remove the last.")
    at = now()
    tx.execute(delete(factors).where(factors.c.id == factor_id))
    if len(present) == 1:
        _forget_all(tx, actor.user_id, at)
    end_sessions(tx, actor.user_id, keep=actor.session_id)
    record(tx, actor, [Change(type=EventType.FACTOR_DELETED, after=found.name, note=found.method.value)], at)


def renew_recovery_codes(tx: Connection, actor: Actor) -> list[str]:
    """Replaces the actor's recovery codes. Returns the new ones, which are shown only once.

    Raises ConfirmationRequired, Invalid for a user without a factor, and what `lock_self` raises.
    """
    assert actor.user_id is not None, "only a user has factors"
    require_fresh_proof(actor)
    lock_self(tx, actor)
    if not list_factors(tx, actor.user_id):
        raise Invalid("Recovery codes replace a lost second factor. Add a second factor first.")
    record(tx, actor, [Change(type=EventType.FACTOR_CODES_CREATED)], now())
    return recovery.new_codes(tx, actor.user_id)


def reset_factors(tx: Connection, actor: Actor, user_id: int, reason: Note) -> User:
    """Removes all factors and recovery codes of another user, who has lost them, and ends that user's sessions.

    The administrator must have verified the user's identity; `reason` says how, and is recorded in the audit. Raises
    NotFound; Invalid for the actor's own account and without a reason; Forbidden unless `actor` is a super admin who
    sees all companies; and ConfirmationRequired.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    user = lock_user(tx, user_id)
    if user_id == actor.user_id:
        raise Invalid(
            "Only another super admin can reset your second factor. You can change your factors in your account."
        )
    if not reason:
        raise Invalid.field("reason", "is missing")
    at = now()
    _forget_all(tx, user_id, at)
    end_sessions(tx, user_id)
    record(tx, actor, [Change(type=EventType.FACTOR_RESET, after=user.email, note=reason)], at)
    return user


def _forget_all(tx: Connection, user_id: int, at: datetime) -> None:
    tx.execute(delete(factors).where(factors.c.user_id == user_id))
    recovery.forget_codes(tx, user_id)
    tx.execute(update(users).where(users.c.user_id == user_id).values(has_factor=False, updated_at=at))


def used(tx: Connection, factor_id: int, at: datetime) -> None:
    """Records a use of a factor."""
    tx.execute(update(factors).where(factors.c.id == factor_id).values(last_used_at=at))


def count_factors(tx: Connection, user_id: int) -> int:
    """Returns the number of a user's confirmed factors."""
    own = factors.c.user_id == user_id, factors.c.confirmed_at.is_not(None)
    return int(tx.execute(select(func.count()).where(*own)).scalar_one())
