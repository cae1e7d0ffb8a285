"""Signing in: throttle, password, session. Every attempt is recorded in the audit, successful or not."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor, stranger
from issue_tracker.auth import places, throttle
from issue_tracker.auth.passwords import hash_password, needs_rehash, verify_password
from issue_tracker.auth.session_limits import end_oldest_sessions, end_replaced_session
from issue_tracker.auth.sessions import start_session
from issue_tracker.auth.users import User, find_credentials
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import users
from issue_tracker.errors import Unauthenticated
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.names import key
from issue_tracker.settings import Settings

WRONG = "The e-mail address or the password is wrong."

ATTEMPTS = 3
"""How often one sign-in starts again because the account was changed in the meantime."""


class SignedIn(msgspec.Struct, frozen=True):
    """A new session. Its token belongs in the cookie and nowhere else, and so does `device`, that of the browser."""

    user: User
    token: str
    expires_at: datetime
    device: str | None = None


class Visitor(msgspec.Struct, frozen=True):
    """Where a sign-in comes from.

    `device` is the token that a browser sent to be recognized. With `remember` the browser is recognized from now on.
    `session` is the token of the session that it has, which the new one replaces.
    """

    address: str
    user_agent: str
    request_id: str
    device: str | None = None
    remember: bool = False
    session: str | None = None


def sign_in(database: Database, settings: Settings, email: str, password: str, visitor: Visitor) -> SignedIn:
    """Starts a session for a correct pair of address and password. Ends the one that it replaces, and too old ones.

    Runs its own transactions, because the password is hashed between them. Raises TooManyAttempts, TooBusy, and
    Unauthenticated for any incorrect pair: an unknown account, a disabled one and a wrong password take the same code
    path and the same time, so that the response does not reveal which accounts exist.
    """
    at = now()
    email = email.strip()[:254].replace("\0", "").encode("utf-8", "replace").decode()
    with database.read() as tx:
        found = find_credentials(tx, email)
        account = found[0] if found else None
        attempt = throttle.sign_in_attempt(tx, account, key(email), visitor.address, visitor.device)
        throttle.check(tx, settings, attempt, at)
    with database.write() as tx:
        throttle.admit(tx, settings, attempt, at)
    for _ in range(ATTEMPTS):
        with database.read() as tx:
            found = find_credentials(tx, email)
        user, password_hash = found or (None, None)
        correct = verify_password(password_hash, password)
        if user is None or not correct or not user.active:
            break
        fresh_hash = hash_password(password) if password_hash and needs_rehash(password_hash) else None
        with database.write() as tx:
            if find_credentials(tx, email, lock=True) != found:
                continue  # changed since it was read, perhaps by a concurrent sign-in that renewed the hash
            if fresh_hash:
                tx.execute(users.update().where(users.c.user_id == user.user_id).values(password_hash=fresh_hash))
            throttle.forgive(tx, attempt)
            return admit(tx, settings, user, visitor, at)
    failed = stranger(attempt.name, visitor.request_id)
    with database.write() as tx:
        record(tx, failed, [Change(type=EventType.SESSION_FAILED, note=f"from {visitor.address}")], at)
    raise Unauthenticated(WRONG)


def admit(tx: Connection, settings: Settings, user: User, visitor: Visitor, at: datetime) -> SignedIn:
    """Starts a session for a user who has proved at `at` who they are, and records it.

    Ends the session that it replaces, and the oldest ones beyond the limit.
    """
    places.remember_address(tx, user.user_id, places.networks_of(visitor.address).address, at)
    device = places.remember_device(tx, user.user_id, visitor.device, at) if visitor.remember else None
    if visitor.session is not None:
        end_replaced_session(tx, visitor.session, visitor.request_id, at)
    token, expires_at = start_session(tx, settings, user.user_id, visitor.address, visitor.user_agent, at)
    actor = Actor(user.user_id, user.name, user.role, "session", visitor.request_id)
    record(tx, actor, [Change(type=EventType.SESSION_CREATED, note=f"from {visitor.address}")], at)
    end_oldest_sessions(tx, actor, most=settings.sessions_per_user, at=at)
    return SignedIn(user, token, expires_at, device)
