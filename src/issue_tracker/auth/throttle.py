"""A limit on attempts to guess passwords that holds across processes and restarts (contract, section 3).

Every attempt is stored before its password is checked, so parallel attempts count too; a correct password deletes the
attempts for its account from the same place. One that is refused is stored nowhere, and waits for no writer.

Attempts for an account from a browser or an address where its owner has signed in before are counted by that place
alone, so a stranger who uses up an account's attempts does not lock the owner out there. All others are strangers:
they are counted for the account, for the address, for the network around it, and all together. The last limit stops
those who try a few passwords of many accounts from many addresses.
"""

import math
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, not_, select

from issue_tracker.auth.places import is_known_address, known_device, networks_of
from issue_tracker.auth.users import User
from issue_tracker.database.tables import sign_in_failures
from issue_tracker.encryption import Keyring
from issue_tracker.errors import TooManyAttempts
from issue_tracker.settings import Settings

UNKNOWN = "an unknown address"
"""What the audit calls an e-mail address that is not the one of an account."""

BATCH = 1000
"""Attempts to delete in one transaction."""


class Attempt(msgspec.Struct, frozen=True):
    """One attempt, as it is counted. `name` is what the audit calls the account.

    `known` says whether the user has signed in from this place before. `device` is the known browser, None where the
    place is an address.
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
    """An attempt to sign in to the account of a user, or to none.

    What was typed where there is no such account may be a password. It is counted under the first 18 bits of what the
    server's key makes of it, which is enough to count and too little to find out what was typed.
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
    """An attempt to prove the password of the user who is signed in: apart from signing in, wherever it comes from."""
    return Attempt(f"password:{user_id}", "", "", "", known=True)


def second_step_attempt(tx: Connection, user: User, address: str, device_token: str | None) -> Attempt:
    """An attempt to take the second step of a sign-in: apart from the first one, and limited as that is."""
    attempt = _attempt_of(tx, user, address, device_token)
    return msgspec.structs.replace(attempt, account=f"factor:{user.user_id}")


def own_code_attempt(user_id: int) -> Attempt:
    """An attempt to prove a factor of the user who is signed in, as `own_password_attempt`."""
    return Attempt(f"code:{user_id}", "", "", "", known=True)


def check(tx: Connection, settings: Settings, attempt: Attempt, at: datetime) -> None:
    """Raises TooManyAttempts when there were too many attempts in the window before `at`."""
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
        count, oldest = tx.execute(select(func.count(), func.min(rows.at)).where(condition, rows.at > since)).one()
        if count >= limit:
            raise TooManyAttempts(max(1, math.ceil((oldest - since).total_seconds())), attempt.name)


def admit(tx: Connection, settings: Settings, attempt: Attempt, at: datetime) -> None:
    """Stores an attempt at `at`. Raises TooManyAttempts, and stores nothing, when there were too many already."""
    if tx.dialect.name == "postgresql":
        # One after the other: parallel attempts would not see each other.
        tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("sign-in", 0))))
    check(tx, settings, attempt, at)
    since = at - timedelta(minutes=settings.sign_in_window_minutes)
    tx.execute(delete(sign_in_failures).where(sign_in_failures.c.at <= since))
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
    """Deletes a batch of the attempts that no longer count at an instant. Returns how many; 0 when none are left."""
    since = at - timedelta(minutes=settings.sign_in_window_minutes)
    old = select(sign_in_failures.c.id).where(sign_in_failures.c.at <= since).limit(BATCH)
    ids = list(tx.execute(old).scalars())
    if ids:
        tx.execute(delete(sign_in_failures).where(sign_in_failures.c.id.in_(ids)))
    return len(ids)


def _place(attempt: Attempt) -> ColumnElement[bool]:
    """The condition that a stored attempt came from the same place."""
    rows = sign_in_failures.c
    return rows.address == attempt.address if attempt.device is None else rows.device == attempt.device
