"""Linked identities: an account here has any number of identities at identity providers.

An identity is an issuer and a subject, which a provider never reassigns to another person (OpenID Connect Core, section
2). An email address does not qualify: it may change, and be reassigned.
"""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor
from issue_tracker.auth.single_sign_on.errors import SignInRefused
from issue_tracker.auth.users import lock_user
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import identities, provider_sessions, sessions, sign_in_challenges, users
from issue_tracker.errors import NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.integers import LARGEST_ID


class Identity(msgspec.Struct, frozen=True):
    """An account at a provider, as shown to its user and to super admins.

    `email` is the address there when it was linked; `confirmed_at` is when the provider last confirmed the user.
    """

    id: int
    user_id: int
    issuer: str
    subject: str
    email: str
    created_at: Timestamp
    confirmed_at: Timestamp


def find_identity(tx: Connection, issuer: str, subject: str) -> Identity | None:
    """Returns the identity; None if it is not linked to any user. To change it, lock the user first."""
    same = identities.c.issuer == issuer, identities.c.subject == subject
    row = tx.execute(select(identities).where(*same)).first()
    return None if row is None else _identity(row)


def list_identities(tx: Connection, user_id: int) -> list[Identity]:
    """Returns the identities of a user, the oldest first."""
    query = select(identities).where(identities.c.user_id == user_id).order_by(identities.c.id)
    return [_identity(row) for row in tx.execute(query)]


def link_identity(
    tx: Connection, actor: Actor, user_id: int, issuer: str, subject: str, email: str, at: datetime
) -> int:
    """Links a new identity to a user, and records it. Returns its id.

    Raises SignInRefused if it was linked concurrently, in another browser.
    """
    values = {"issuer": issuer, "subject": subject, "email": email, "created_at": at, "confirmed_at": at}
    try:
        with tx.begin_nested():
            inserted = tx.execute(insert(identities).values(user_id=user_id, **values))
    except IntegrityError:
        raise SignInRefused("You are signing in twice at the same time. Start again.", "linked meanwhile") from None
    user_email = tx.execute(select(users.c.email).where(users.c.user_id == user_id)).scalar_one()
    record(tx, actor, [Change(type=EventType.IDENTITY_LINKED, note=_described(user_email, issuer, subject))], at)
    return created_id(inserted)


def unlink_identity(tx: Connection, actor: Actor, user_id: int, identity_id: int) -> None:
    """Unlinks an identity from a user. Ends the sessions that it started, and the user's sign-ins with a provider that
    wait for their second step. Raises NotFound for any other.
    """
    lock_user(tx, user_id)
    query = (
        select(identities.c.issuer, identities.c.subject, users.c.email)
        .join(users, users.c.user_id == identities.c.user_id)
        .where(identities.c.id == identity_id, identities.c.user_id == user_id)
    )
    row = tx.execute(query).first() if identity_id <= LARGEST_ID else None
    if row is None:
        raise NotFound("There is no such identity.")
    started = select(provider_sessions.c.session_id).where(provider_sessions.c.identity_id == identity_id)
    tx.execute(delete(sessions).where(sessions.c.id.in_(started)))
    waiting = sign_in_challenges.c.user_id == user_id, sign_in_challenges.c.binding.is_not(None)
    tx.execute(delete(sign_in_challenges).where(*waiting))
    tx.execute(delete(identities).where(identities.c.id == identity_id))
    note = _described(row.email, row.issuer, row.subject)
    record(tx, actor, [Change(type=EventType.IDENTITY_UNLINKED, note=note)], now())


def confirm_identity(tx: Connection, identity_id: int, at: datetime) -> None:
    """Records that the provider confirmed the user at `at`."""
    tx.execute(update(identities).where(identities.c.id == identity_id).values(confirmed_at=at))


def _described(email: str, issuer: str, subject: str) -> str:
    return f"{email} ({subject} at {issuer})"


def _identity(row: Row[Any]) -> Identity:
    return Identity(
        id=row.id,
        user_id=row.user_id,
        issuer=row.issuer,
        subject=row.subject,
        email=row.email,
        created_at=iso(row.created_at),
        confirmed_at=iso(row.confirmed_at),
    )
