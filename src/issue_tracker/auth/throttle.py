"""A limit on attempts to guess passwords that holds across processes and restarts (contract, section 3).

Every attempt is stored before its password is checked, so parallel attempts count too; a correct password deletes the
attempts of its pair of account and address. Three kinds of attempts are counted: for one account from addresses where
its owner never signed in, for one account from one address where the owner did, and from one address. A stranger who
uses up an account's attempts therefore does not lock the owner out of an address that has signed in before.
"""

import math
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, not_, select

from issue_tracker.database.tables import sign_in_addresses, sign_in_failures, users
from issue_tracker.errors import TooManyAttempts
from issue_tracker.settings import Settings

BATCH = 1000
"""Attempts to delete in one transaction."""


def admit(tx: Connection, settings: Settings, email_key: str, address: str, at: datetime) -> None:
    """Stores one attempt at `at`. Raises TooManyAttempts, and stores nothing, when the window has too many already."""
    if tx.dialect.name == "postgresql":
        # Attempts for one account run one after the other: parallel ones would not see each other.
        tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"sign-in {email_key}", 0))))
    since = at - timedelta(minutes=settings.sign_in_window_minutes)
    tx.execute(delete(sign_in_failures).where(sign_in_failures.c.at <= since))
    account = sign_in_failures.c.account_key == email_key
    if _signed_in_before(tx, email_key, address):
        limits = [(and_(account, sign_in_failures.c.address == address), settings.sign_in_account_limit)]
    else:
        limits = [
            (and_(account, not_(_known_address())), settings.sign_in_account_limit),
            (sign_in_failures.c.address == address, settings.sign_in_address_limit),
        ]
    for condition, limit in limits:
        _check(tx, condition, limit, since, at)
    tx.execute(insert(sign_in_failures).values(account_key=email_key, address=address, at=at))


def prune_attempts(tx: Connection, settings: Settings, at: datetime) -> int:
    """Deletes a batch of the attempts that no longer count at an instant. Returns how many; 0 when none are left."""
    since = at - timedelta(minutes=settings.sign_in_window_minutes)
    old = select(sign_in_failures.c.id).where(sign_in_failures.c.at <= since).limit(BATCH)
    ids = list(tx.execute(old).scalars())
    if ids:
        tx.execute(delete(sign_in_failures).where(sign_in_failures.c.id.in_(ids)))
    return len(ids)


def succeeded(tx: Connection, user_id: int, email_key: str, address: str, at: datetime) -> None:
    """Deletes the attempts of this pair, and stores that the user has signed in from this address."""
    tx.execute(
        delete(sign_in_failures).where(
            sign_in_failures.c.account_key == email_key, sign_in_failures.c.address == address
        )
    )
    pair = (sign_in_addresses.c.user_id == user_id, sign_in_addresses.c.address == address)
    if tx.execute(sign_in_addresses.update().where(*pair).values(at=at)).rowcount == 0:
        tx.execute(insert(sign_in_addresses).values(user_id=user_id, address=address, at=at))


def _signed_in_before(tx: Connection, email_key: str, address: str) -> bool:
    query = (
        select(sign_in_addresses.c.user_id)
        .join(users, users.c.user_id == sign_in_addresses.c.user_id)
        .where(users.c.email_key == email_key, sign_in_addresses.c.address == address)
    )
    return tx.execute(query).first() is not None


def _known_address() -> ColumnElement[bool]:
    return exists(
        select(1)
        .select_from(sign_in_addresses.join(users, users.c.user_id == sign_in_addresses.c.user_id))
        .where(
            users.c.email_key == sign_in_failures.c.account_key,
            sign_in_addresses.c.address == sign_in_failures.c.address,
        )
    )


def _check(tx: Connection, condition: ColumnElement[bool], limit: int, since: datetime, at: datetime) -> None:
    query = select(func.count(), func.min(sign_in_failures.c.at)).where(condition, sign_in_failures.c.at > since)
    count, oldest = tx.execute(query).one()
    if count >= limit:
        window = at - since
        raise TooManyAttempts(max(1, math.ceil((oldest + window - at).total_seconds())))
