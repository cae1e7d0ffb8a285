"""Sign-in: throttle, password, session. Every attempt is recorded in the audit, whether it succeeds or fails.

For every way to sign in, `after_first_step` decides whether a second step is needed (auth/second_step.py).
"""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor, anonymous_actor
from issue_tracker.auth import challenges, places, throttle
from issue_tracker.auth.challenges import SecondFactorRequired
from issue_tracker.auth.factors.stored import Method, methods_of
from issue_tracker.auth.passwords import hash_password, needs_rehash, verify_password
from issue_tracker.auth.session_limits import end_oldest_sessions, end_replaced_session
from issue_tracker.auth.sessions import start_session
from issue_tracker.auth.single_sign_on.binding import Binding, bind_session
from issue_tracker.auth.single_sign_on.break_glass import may_use_password
from issue_tracker.auth.users import User, find_credentials
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import users
from issue_tracker.encryption import Keyring
from issue_tracker.errors import Unauthenticated
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.names import key
from issue_tracker.settings import Settings

WRONG = "The email address or the password is wrong."
WRONG_OR_PROVIDER = (
    "The email address or the password is wrong, or the account has no password: sign in with an identity provider."
)
"""Used, like the sentence above, for every account alike, if few accounts have a password."""

ATTEMPTS = 3
"""Maximum number of times that one sign-in is restarted because the account was changed concurrently."""


class SignedIn(msgspec.Struct, frozen=True):
    """A new session. `token` must appear only in its cookie, and `device`, the browser's token, only in its own."""

    user: User
    token: str
    expires_at: datetime
    device: str | None = None


class SecondStep(msgspec.Struct, frozen=True):
    """A sign-in whose first step was correct: it continues with the challenge and one of the methods."""

    challenge: str
    methods: list[Method]


class Visitor(msgspec.Struct, frozen=True):
    """The client of a sign-in.

    `device` is the token that a browser sent in order to be recognized. `remember` requests that it be recognized from
    now on. `session` is the token of its present session, which the new one replaces.
    """

    address: str
    user_agent: str
    request_id: str
    device: str | None = None
    remember: bool = False
    session: str | None = None


def sign_in(
    database: Database, settings: Settings, keyring: Keyring, email: str, password: str, visitor: Visitor
) -> SignedIn:
    """Starts a session for a correct email address and password. Ends the session that it replaces, and excess ones.

    Runs its own transactions, because the password is hashed between them. Raises SecondFactorRequired for a correct
    pair if a second step is needed, TooManyAttempts, TooBusy, and Unauthenticated for any incorrect pair: an unknown
    account, a disabled one and a wrong password take the same code path and the same time, so that the response does
    not reveal which accounts exist.
    """
    at = now()
    email = email.strip()[:254].replace("\0", "").encode("utf-8", "replace").decode()
    with database.read() as tx:
        found = find_credentials(tx, email)
        account = found[0] if found else None
        attempt = throttle.sign_in_attempt(tx, keyring, account, key(email), visitor.address, visitor.device)
        throttle.check(tx, settings, attempt, at)
    with database.write(unseen=True) as tx:
        throttle.admit(tx, settings, attempt, at)
    for _ in range(ATTEMPTS):
        with database.read() as tx:
            found = find_credentials(tx, email)
        user, password_hash = found or (None, None)
        correct = verify_password(password_hash, password)
        if user is None or not correct or not user.active or not may_use_password(settings, user.email):
            break
        fresh_hash = hash_password(password) if password_hash and needs_rehash(password_hash) else None
        with database.write() as tx:
            if find_credentials(tx, email, lock=True) != found:
                continue  # changed since it was read, perhaps by a concurrent sign-in that renewed the hash
            if fresh_hash:
                tx.execute(users.update().where(users.c.user_id == user.user_id).values(password_hash=fresh_hash))
            throttle.forgive(tx, attempt)
            outcome = after_first_step(tx, settings, user, visitor, at)
        return require_signed_in(outcome)
    failed = anonymous_actor(attempt.name, visitor.request_id)
    with database.write(unseen=True) as tx:
        record(tx, failed, [Change(type=EventType.SESSION_FAILED, note=f"from {visitor.address}")], at)
    raise Unauthenticated(WRONG if settings.password_sign_in else WRONG_OR_PROVIDER)


def after_first_step(
    tx: Connection,
    settings: Settings,
    user: User,
    visitor: Visitor,
    at: datetime,
    *,
    proved: str | None = None,
    binding: Binding | None = None,
) -> SignedIn | SecondStep:
    """Signs in a user who has taken the first step at `at`, or creates a challenge for the second one.

    Only this function decides, for every kind of first step: a password, the link of an invitation, or an identity
    provider with its `binding`. `proved` names the second factor that was part of it, if a provider attests one. No
    second step is needed for a user without a factor, and in a browser that the user has chosen to remember.
    Raises what `admit` raises.
    """
    methods = [] if proved else methods_of(tx, user.user_id)
    if methods and places.is_trusted(tx, user.user_id, visitor.device, at):
        methods, proved = [], "remembered browser"
    if methods:
        return SecondStep(challenges.begin(tx, user.user_id, at, binding), methods)
    return admit(tx, settings, user, visitor, at, second_factor=proved, binding=binding)


def require_signed_in(outcome: SignedIn | SecondStep) -> SignedIn:
    """Raises SecondFactorRequired if a second step is needed. Call it after the commit, which stores the challenge."""
    if isinstance(outcome, SecondStep):
        raise SecondFactorRequired(outcome.challenge, outcome.methods)
    return outcome


def admit(
    tx: Connection,
    settings: Settings,
    user: User,
    visitor: Visitor,
    at: datetime,
    *,
    second_factor: str | None = None,
    trust: bool = False,
    binding: Binding | None = None,
) -> SignedIn:
    """Starts a session for a user who has completed every step at `at`, and records it with the second factor's name.

    `binding` ties the session to the identity provider at which it began. Ends the session that it replaces, and the
    oldest ones beyond the limit. With `trust`, further sign-ins in this browser need no second step, for as long as the
    settings allow. Raises Unauthenticated for a service account, whatever the way to sign in.
    """
    if user.service_account:
        raise Unauthenticated(WRONG)
    places.remember_address(tx, user.user_id, places.networks_of(visitor.address).address, at)
    trust = trust and settings.remembered_browser_days > 0
    device = None
    if visitor.remember or trust:
        device = places.remember_device(tx, user.user_id, visitor.device, visitor.user_agent, at)
    if device and trust:
        places.trust_device(tx, user.user_id, device, at + timedelta(days=settings.remembered_browser_days))
    if visitor.session is not None:
        end_replaced_session(tx, visitor.session, visitor.request_id, at)
    token, expires_at = start_session(
        tx, settings, user.user_id, visitor.address, visitor.user_agent, at, second_factor=second_factor is not None
    )
    how = f"from {visitor.address}"
    if binding is not None:
        bind_session(tx, settings, token, binding, at)
        how += f" with {binding.provider_name}"
    how += f" ({second_factor})" if second_factor else ""
    actor = Actor(user.user_id, user.name, user.role, "session", visitor.request_id)
    record(tx, actor, [Change(type=EventType.SESSION_CREATED, note=how)], at)
    end_oldest_sessions(tx, actor, most=settings.sessions_per_user, at=at)
    return SignedIn(user, token, expires_at, device)
