"""Sign-in with a passkey as the only step, for which the authenticator must have verified its user.

Attempts are throttled and recorded like passwords. The response to an unknown passkey, one of a disabled account or a
wrong signature reveals only that the passkey was not accepted.
"""

from sqlalchemy import Connection, select

from issue_tracker.actor import anonymous_actor
from issue_tracker.auth import throttle
from issue_tracker.auth.challenges import SignInExpired
from issue_tracker.auth.factors import ceremonies, passkeys
from issue_tracker.auth.factors.passkeys import Ceremony, Copied, Credential
from issue_tracker.auth.second_step import COPIED
from issue_tracker.auth.signin import SignedIn, Visitor, admit
from issue_tracker.auth.single_sign_on.break_glass import may_use_password
from issue_tracker.auth.users import User, get_user
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import users
from issue_tracker.encryption import Keyring
from issue_tracker.errors import Unauthenticated
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.settings import Settings

PURPOSE = "sign-in"

REFUSED = "The passkey was not accepted."


def begin(tx: Connection, settings: Settings, keyring: Keyring) -> Ceremony:
    """Returns what a browser needs to sign in with a passkey. Raises Invalid if passkeys are not available."""
    return passkeys.begin_use(tx, settings, ceremonies.new_challenge(keyring, PURPOSE, now()), None)


def sign_in_with_passkey(
    database: Database, settings: Settings, keyring: Keyring, challenge: str, credential: Credential, visitor: Visitor
) -> SignedIn:
    """Starts a session for the user whose passkey has signed the challenge.

    Runs its own transactions: an attempt is stored before it is checked. Raises SignInExpired for a challenge that is
    not, or no longer, open; TooManyAttempts; and Unauthenticated for any passkey that is not accepted.
    """
    at = now()
    if not ceremonies.is_open(keyring, challenge, PURPOSE, at):
        raise SignInExpired
    with database.read() as tx:
        user = _named(tx, credential)
        attempt = throttle.sign_in_attempt(tx, keyring, user, "passkey", visitor.address, visitor.device)
        throttle.check(tx, settings, attempt, at)
    with database.write(unseen=True) as tx:
        throttle.admit(tx, settings, attempt, at)
    with database.write() as tx:
        why = ""
        try:
            user = _named(tx, credential, lock=True)
            if user is not None and _accepted(tx, settings, user, challenge, credential):
                throttle.forgive(tx, attempt)
                return admit(tx, settings, user, visitor, at, second_factor="passkey alone")
        except Copied as copied:
            why = f" ({COPIED.format(copied.name)})"
        failed = Change(type=EventType.SESSION_FAILED, note=f"from {visitor.address}, by passkey{why}")
        record(tx, anonymous_actor(attempt.name, visitor.request_id), [failed], at)
    raise Unauthenticated(REFUSED)


def _accepted(tx: Connection, settings: Settings, user: User, challenge: str, credential: Credential) -> bool:
    # Users of an identity provider must sign in there, because their account there may have ended.
    if not user.active or not may_use_password(settings, user.email):
        return False
    right = passkeys.use_passkey(tx, settings, user.user_id, challenge, credential, now(), alone=True)
    if right and not ceremonies.spend(tx, challenge):
        raise SignInExpired
    return right


def _named(tx: Connection, credential: Credential, *, lock: bool = False) -> User | None:
    """Returns the user whose passkey the browser names. With `lock`, concurrent changes to the account wait."""
    user_id = passkeys.owner_of(tx, credential)
    if user_id is None:
        return None
    if lock:
        tx.execute(select(users.c.user_id).where(users.c.user_id == user_id).with_for_update())
    return get_user(tx, user_id)
