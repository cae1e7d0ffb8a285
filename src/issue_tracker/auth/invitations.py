"""Invitations: one-time links with which users choose their own password, so that nobody else ever knows it.

They serve for new accounts and for forgotten passwords (contract, section 11).
"""

import secrets
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select

from issue_tracker.actor import Actor, require_administrator, require_fresh_proof
from issue_tracker.auth.places import forget_places
from issue_tracker.auth.sessions import end_sessions, token_hash
from issue_tracker.auth.tokens import revoke_tokens
from issue_tracker.auth.users import User, get_user, lock_user, set_own_password
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import invitations, users
from issue_tracker.errors import Forbidden, Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record

LIFETIME = timedelta(hours=72)
"""How long a link is valid (contract, section 11)."""


class InvitationRefused(Forbidden):
    """The link was used, was replaced, has expired, or never existed (403); its holder does not learn which."""

    def __init__(self) -> None:
        super().__init__("This link is no longer valid. Ask a super admin for a new one.")


class Invitation(msgspec.Struct, frozen=True):
    """A new invitation. `token` must appear only in the link: the database stores only its hash."""

    token: str
    expires_at: Timestamp


def invite(tx: Connection, actor: Actor, user_id: int) -> Invitation:
    """Creates a link with which a user can choose a password. Earlier links of the user become invalid.

    The present password remains valid until then. Raises NotFound; Invalid for the actor's own account, a service
    account and a disabled one; Forbidden unless `actor` is a super admin who sees all companies; and
    ConfirmationRequired.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    user = lock_user(tx, user_id)
    if user_id == actor.user_id:
        raise Invalid("You cannot invite yourself. Change your password with the current one.")
    if user.service_account:
        raise Invalid("Nobody can sign in to a service account. Create a token for its program instead.")
    if not user.active:
        raise Invalid("The account is disabled; activate it first.")
    at, token = now(), secrets.token_urlsafe(32)
    values = {"user_id": user_id, "token_hash": token_hash(token), "created_at": at, "expires_at": at + LIFETIME}
    tx.execute(delete(invitations).where(invitations.c.user_id == user_id))
    tx.execute(insert(invitations).values(values))
    record(tx, actor, [Change(type=EventType.USER_INVITED, note=user.email)], at)
    return Invitation(token, iso(at + LIFETIME))


def open_invitations(tx: Connection, at: datetime) -> dict[int, Timestamp]:
    """Returns the ends of the invitations that are valid at `at`, by the id of their user."""
    query = select(invitations.c.user_id, invitations.c.expires_at).where(invitations.c.expires_at > at)
    return {row.user_id: iso(row.expires_at) for row in tx.execute(query)}


def find_invited(tx: Connection, token: str, at: datetime) -> User:
    """Returns the user whom the link with this token invites. Raises InvitationRefused."""
    user_id = _invited.scalar(tx, token_hash=token_hash(token), at=at)
    if user_id is None:
        raise InvitationRefused
    return get_user(tx, user_id)


# Prepared, because any client may send any number of invalid links.
_invited = Prepared(
    lambda _: (
        select(invitations.c.user_id)
        .join(users, users.c.user_id == invitations.c.user_id)
        .where(
            invitations.c.token_hash == bindparam("token_hash"),
            invitations.c.expires_at > bindparam("at", type_=invitations.c.expires_at.type),
            users.c.active,
        )
    )
)


def accept(tx: Connection, token: str, password_hash: str, request_id: str, at: datetime) -> User:
    """Sets the password of the user invited by this token, once; ends their sessions, and revokes their tokens.

    Returns the user. Raises InvitationRefused.
    """
    user = find_invited(tx, token, at)
    # Before the invitation, as in other changes of an account, so that they do not wait for each other.
    lock_user(tx, user.user_id)
    taken = tx.execute(delete(invitations).where(invitations.c.token_hash == token_hash(token))).rowcount
    if not taken:
        raise InvitationRefused
    set_own_password(tx, user.user_id, password_hash, at)
    end_sessions(tx, user.user_id)
    actor = Actor(user.user_id, user.name, user.role, "session", request_id)
    record(tx, actor, [Change(type=EventType.USER_UPDATED, note=f"{user.email} (password: by invitation)")], at)
    revoke_tokens(tx, actor, user.user_id)
    forget_places(tx, user.user_id)
    return user
