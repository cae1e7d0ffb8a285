"""The second step of a sign-in, throttled and recorded like the first one."""

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.auth import challenges, throttle
from issue_tracker.auth.factors.passkeys import Copied, Credential, use_passkey
from issue_tracker.auth.factors.recovery import count_codes, use_code
from issue_tracker.auth.factors.stored import Method
from issue_tracker.auth.factors.totp import use_totp
from issue_tracker.auth.signin import SignedIn, Visitor, admit
from issue_tracker.auth.users import User
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.encryption import Keyring
from issue_tracker.errors import Unauthenticated
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.settings import Settings

WRONG = "The code is wrong, has expired or has already been used."

COPIED = "the counter of the passkey “{}” decreased: the passkey may have been copied"
"""The audit's note about a passkey that two authenticators seem to have."""

Check = Callable[[Connection, User, datetime], str | None]
"""Returns, in a transaction, the factor with which a user has proved their identity at an instant; None for a wrong
answer. A correct answer is used up in the transaction."""


def take_second_step(
    database: Database, settings: Settings, challenge: str, check: Check, visitor: Visitor, *, trust: bool = False
) -> SignedIn:
    """Starts the session that waits with the challenge, for a correct answer. `trust` remembers the browser.

    Runs its own transactions: an attempt is stored before it is checked. Raises SignInExpired, TooManyAttempts, and
    Unauthenticated for any wrong answer, including one by a method that the user does not have.
    """
    at = now()
    with database.read() as tx:
        user = challenges.find_user(tx, challenge, at)
        attempt = throttle.second_step_attempt(tx, user, visitor.address, visitor.device)
        throttle.check(tx, settings, attempt, at)
    with database.write(unseen=True) as tx:
        throttle.admit(tx, settings, attempt, at)
        challenges.count_attempt(tx, challenge, at)
    with database.write() as tx:
        user = challenges.find_user(tx, challenge, at, lock=True)
        try:
            proved, why = check(tx, user, at), ""
        except Copied as copied:
            proved, why = None, f" ({COPIED.format(copied.name)})"
        if proved is not None:
            binding = challenges.end(tx, challenge)
            if binding is not None:
                binding = msgspec.structs.replace(binding, proved_at=at)
            throttle.forgive(tx, attempt)
            return admit(tx, settings, user, visitor, at, second_factor=proved, trust=trust, binding=binding)
        failed = Change(type=EventType.SESSION_SECOND_FACTOR_FAILED, note=f"from {visitor.address}{why}")
        record(tx, Actor(user.user_id, user.name, user.role, "session", visitor.request_id), [failed], at)
    raise Unauthenticated(WRONG)


def code_check(keyring: Keyring, method: Method, code: str) -> Check:
    """Returns a check of a code, from an authenticator app or a recovery code."""

    def check(tx: Connection, user: User, at: datetime) -> str | None:
        if method is Method.TOTP and use_totp(tx, keyring, user.user_id, code, at):
            return "authenticator app"
        if method is Method.RECOVERY and use_code(tx, user.user_id, code):
            return f"recovery code, {count_codes(tx, user.user_id)} left"
        return None

    return check


def passkey_check(settings: Settings, challenge: str, credential: Credential) -> Check:
    """Returns a check of a passkey that has signed the challenge of this sign-in."""

    def check(tx: Connection, user: User, at: datetime) -> str | None:
        right = use_passkey(tx, settings, user.user_id, challenge, credential, at, alone=False)
        return "passkey" if right else None

    return check
