"""Fresh proof that a session is still used by its user: throttled and recorded like a sign-in (contract, section
11).
"""

from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.auth import throttle
from issue_tracker.auth.factors import ceremonies, passkeys
from issue_tracker.auth.factors.passkeys import Ceremony, Copied, Credential
from issue_tracker.auth.factors.stored import Method, methods_of
from issue_tracker.auth.factors.totp import use_totp
from issue_tracker.auth.passwords import verify_password
from issue_tracker.auth.second_step import COPIED
from issue_tracker.auth.sessions import confirm_session
from issue_tracker.auth.single_sign_on.break_glass import may_use_password
from issue_tracker.auth.users import get_user, password_hash_of
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.encryption import Keyring
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.settings import Settings


def is_own_password(database: Database, settings: Settings, actor: Actor, password: str, address: str) -> bool:
    """Returns whether the password is that of the acting user. A wrong one is recorded with the IP address.

    Runs its own transactions, because the password is hashed between them. Raises TooManyAttempts and TooBusy.
    """
    assert actor.user_id is not None, "only a user has a password"
    at = now()
    attempt = throttle.own_password_attempt(actor.user_id)
    with database.read() as tx:
        throttle.check(tx, settings, attempt, at)
        password_hash = password_hash_of(tx, actor.user_id)
        permitted = may_use_password(settings, get_user(tx, actor.user_id).email)
    with database.write(unseen=True) as tx:
        throttle.admit(tx, settings, attempt, at)
    correct = verify_password(password_hash, password) and permitted
    with database.write(unseen=True) as tx:
        if correct:
            throttle.forgive(tx, attempt)
        else:
            record(tx, actor, [Change(type=EventType.SESSION_PROOF_FAILED, note=f"from {address}")], at)
    return correct


def confirm(database: Database, settings: Settings, actor: Actor, password: str, address: str) -> None:
    """Gives the actor's session fresh proof, for the correct password of its user.

    Raises Invalid for the field `password`, and whatever `is_own_password` raises.
    """
    assert actor.session_id is not None, "only a session has proof"
    if not is_own_password(database, settings, actor, password, address):
        raise Invalid.field("password", "is wrong")
    with database.write() as tx:
        confirm_session(tx, actor.session_id, now())


def confirm_with_code(
    database: Database, settings: Settings, keyring: Keyring, actor: Actor, code: str, address: str
) -> None:
    """Gives the actor's session fresh proof, for a code of the user's authenticator app, which is then used up.

    Raises Invalid for the field `code`, and TooManyAttempts. A wrong code is recorded.
    """
    assert actor.session_id is not None and actor.user_id is not None, "only a session has proof"
    at, attempt = now(), throttle.own_code_attempt(actor.user_id)
    with database.write(unseen=True) as tx:
        throttle.admit(tx, settings, attempt, at)
    with database.write() as tx:
        correct = use_totp(tx, keyring, actor.user_id, code, at)
        if correct:
            throttle.forgive(tx, attempt)
            confirm_session(tx, actor.session_id, at)
        else:
            record(tx, actor, [Change(type=EventType.SESSION_PROOF_FAILED, note=f"a code, from {address}")], at)
    if not correct:
        raise Invalid.field("code", "is wrong, has expired or has already been used")


def begin_with_passkey(tx: Connection, settings: Settings, keyring: Keyring, actor: Actor) -> Ceremony:
    """Returns the options for a confirmation with a passkey of the actor, which must verify its user.

    Raises Invalid if the actor has no passkey, and if passkeys are not available.
    """
    assert actor.user_id is not None, "only a user has passkeys"
    if Method.PASSKEY not in methods_of(tx, actor.user_id):
        raise Invalid("You have no passkey.")
    challenge = ceremonies.new_challenge(keyring, _purpose(actor), now())
    return passkeys.begin_use(tx, settings, challenge, actor.user_id, verified=True)


def confirm_with_passkey(
    database: Database,
    settings: Settings,
    keyring: Keyring,
    actor: Actor,
    challenge: str,
    credential: Credential,
    address: str,
) -> None:
    """Gives the session of the actor fresh proof if the actor's passkey has signed a challenge of this session.

    Raises Invalid, also for an expired challenge, and TooManyAttempts. A rejected passkey is recorded.
    """
    assert actor.session_id is not None and actor.user_id is not None, "only a session has proof"
    at, attempt = now(), throttle.own_code_attempt(actor.user_id)
    if not ceremonies.is_open(keyring, challenge, _purpose(actor), at):
        raise Invalid.field("challenge", "has expired; start again")
    with database.write(unseen=True) as tx:
        throttle.admit(tx, settings, attempt, at)
    with database.write() as tx:
        what = "a passkey"
        try:
            correct = passkeys.use_passkey(tx, settings, actor.user_id, challenge, credential, at, alone=True)
        except Copied as copied:
            correct, what = False, COPIED.format(copied.name)
        correct = correct and ceremonies.spend(tx, challenge)
        if correct:
            throttle.forgive(tx, attempt)
            confirm_session(tx, actor.session_id, at)
        else:
            record(tx, actor, [Change(type=EventType.SESSION_PROOF_FAILED, note=f"{what}, from {address}")], at)
    if not correct:
        raise Invalid.field("credential", "was not accepted")


def _purpose(actor: Actor) -> str:
    """Returns the purpose of a challenge, which makes it valid in one session only."""
    return f"confirmation of session {actor.session_id}"
