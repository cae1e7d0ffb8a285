"""A limit on attempts to guess passwords that holds across processes and restarts (contract, section 3).

Every attempt is stored before its password is checked, so that parallel attempts count, too; a correct password deletes
the attempts for its account from the same place. A refused attempt is not stored and does not wait for the write lock.

Attempts for an account from a browser or an address where its owner has signed in before are limited by those from that
place alone, so that an attacker who uses up an account's attempts does not lock its owner out there. All other attempts
are limited for the account, for the address, for the network around it, and in total. The limits of the address and of
the network include the attempts from known places, which may be guesses as well. The total limit stops attackers who
try a few passwords on many accounts from many addresses.
"""

import math
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, not_, or_, select

from issue_tracker.auth.places import is_known_address, known_device, networks_of
from issue_tracker.auth.users import User
from issue_tracker.clock import SKEW
from issue_tracker.database.pruning import delete_piece
from issue_tracker.database.tables import sign_in_failures
from issue_tracker.encryption import Keyring
from issue_tracker.errors import TooManyAttempts
from issue_tracker.settings import Settings

UNKNOWN = "an unknown address"
"""The audit's name for an email address that belongs to no account."""


class Attempt(msgspec.Struct, frozen=True):
    """One attempt in the form in which it is counted. `name` is the audit's name for the account.

    `known` says whether the user has signed in from this place before. `device` is the hash of the known browser; None
    if the place is an address.
    """

    account: str
    name: str
    address: str
    network: str
    device: str | None = None
    known: bool = False


def sign_in_attempt(
    tx: Connection, keyring: Keyring, user: User | None, email_key: str, address: str, device_token: str | None
) -> Attempt:
    """Returns an attempt to sign in to the account of a user, or to an account that does not exist.

    The text entered for an account that does not exist may be a password. It is counted under the first 18 bits of its
    signature with the server key: enough for counting, and too little to find out the text.
    """
    if user is not None:
        return _attempt_of(tx, user, address, device_token)
    networks = networks_of(address)
    counted = keyring.sign("sign-in", email_key)[:3]
    return Attempt(f"unknown:{counted}", UNKNOWN, networks.address, networks.network)


def _attempt_of(tx: Connection, user: User, address: str, device_token: str | None) -> Attempt:
    networks = networks_of(address)
    device = known_device(tx, user.user_id, device_token)
    known = device is not None or is_known_address(tx, user.user_id, networks.address)
    return Attempt(f"user:{user.user_id}", user.email, networks.address, networks.network, device, known)


def own_password_attempt(user_id: int) -> Attempt:
    """Returns an attempt to prove the signed-in user's password; counted separately from sign-ins, for all places."""
    return Attempt(f"password:{user_id}", "", "", "", known=True)


def second_step_attempt(tx: Connection, user: User, address: str, device_token: str | None) -> Attempt:
    """Returns an attempt at the second step of a sign-in; counted separately, with the limits of the first step."""
    attempt = _attempt_of(tx, user, address, device_token)
    return msgspec.structs.replace(attempt, account=f"factor:{user.user_id}")


def own_code_attempt(user_id: int) -> Attempt:
    """Returns an attempt to prove a factor of the signed-in user, counted like `own_password_attempt`."""
    return Attempt(f"code:{user_id}", "", "", "", known=True)


def check(tx: Connection, settings: Settings, attempt: Attempt, at: datetime) -> None:
    """Raises TooManyAttempts if there were too many attempts in the window before `at`."""
    rows = sign_in_failures.c
    since = at - timedelta(minutes=settings.sign_in_window_minutes)
    same_account = rows.account_key == attempt.account
    if attempt.known:
        limits = [(and_(same_account, rows.known, _place(attempt)), settings.sign_in_account_limit)]
    else:
        limits = [
            (and_(same_account, not_(rows.known)), settings.sign_in_account_limit),
            (rows.address == attempt.address, settings.sign_in_address_limit),
            (not_(rows.known), settings.sign_in_total_limit),
        ]
        if attempt.network:
            limits.append((rows.network == attempt.network, settings.sign_in_network_limit))
    for condition, limit in limits:
        counted = select(func.count(), func.min(rows.at)).where(
            condition, rows.at > since, not_(_of_wrong_clock(at, since))
        )
        count, oldest = tx.execute(counted).one()
        if count >= limit:
            raise TooManyAttempts(max(1, math.ceil((oldest - since).total_seconds())), attempt.name)


def admit(tx: Connection, settings: Settings, attempt: Attempt, at: datetime) -> None:
    """Stores an attempt at `at`. Raises TooManyAttempts, and stores nothing, if there were already too many."""
    if tx.dialect.name == "postgresql":
        # Serialized, because parallel attempts would not see each other.
        tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("sign-in", 0))))
    check(tx, settings, attempt, at)
    since = at - timedelta(minutes=settings.sign_in_window_minutes)
    tx.execute(delete(sign_in_failures).where(or_(sign_in_failures.c.at <= since, _of_wrong_clock(at, since))))
    row = {
        "account_key": attempt.account,
        "address": attempt.address,
        "network": attempt.network,
        "device": attempt.device,
        "known": attempt.known,
        "at": at,
    }
    tx.execute(insert(sign_in_failures).values(row))


def forgive(tx: Connection, attempt: Attempt) -> None:
    """Deletes the attempts for the same account from the same place, after a correct password."""
    tx.execute(delete(sign_in_failures).where(sign_in_failures.c.account_key == attempt.account, _place(attempt)))


def prune_attempts(tx: Connection, settings: Settings, at: datetime) -> int:
    """Deletes a batch of attempts that no longer count at an instant. Returns their number; 0 if none are left."""
    since = at - timedelta(minutes=settings.sign_in_window_minutes)
    ended = or_(sign_in_failures.c.at <= since, _of_wrong_clock(at, since))
    return delete_piece(tx, sign_in_failures.c.id, ended)


def _of_wrong_clock(at: datetime, since: datetime) -> ColumnElement[bool]:
    """Returns the condition that an attempt is further in the future than the window is long: the clock was wrong."""
    return sign_in_failures.c.at > at + (at - since) + SKEW


def _place(attempt: Attempt) -> ColumnElement[bool]:
    """Returns the condition that a stored attempt came from the same place."""
    rows = sign_in_failures.c
    return rows.address == attempt.address if attempt.device is None else rows.device == attempt.device
