"""Sign-ins that were sent to a provider and have not returned: each belongs to one browser, and works once.

A row is found by the hash of `state`, which only the browser and the provider know. Nonce and code verifier are derived
from `state` with the server key, so that what is stored is useless to an attacker.
"""

import secrets
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, delete, func, insert, or_, select

from issue_tracker.auth.places import networks_of
from issue_tracker.auth.sessions import token_hash
from issue_tracker.auth.single_sign_on.errors import SignInRefused
from issue_tracker.clock import SKEW
from issue_tracker.database.tables import sign_in_flows
from issue_tracker.encryption import Keyring
from issue_tracker.errors import TooManyAttempts

LIFETIME = timedelta(minutes=10)
"""How long a user may take at the provider."""

MOST, MOST_FROM_ADDRESS = 5000, 100
"""Maximum number of sign-ins in progress, in total and from one address or /64 network; any client can begin one."""

STALE = "This sign-in has expired, has already been used, or was started in another browser. Start again."


class Purpose(StrEnum):
    """Why a browser is sent to a provider: to sign in, to confirm the user of a session, or to link an account."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    LINK = "link"


class Flow(msgspec.Struct, frozen=True):
    """A sign-in in progress. `session_id` is the session in which it was started, if it needs one.

    `target` is the path to return to, `carried` a form to be sent afterwards; either may be empty.
    """

    provider: str
    purpose: Purpose
    at: datetime
    target: str
    carried: str = ""
    session_id: int | None = None


class Started(msgspec.Struct, frozen=True):
    """The secrets for the browser: `state` in the URL, `browser` in a cookie."""

    state: str
    browser: str


def start_flow(tx: Connection, flow: Flow, address: str) -> Started:
    """Stores a new sign-in, which was begun from an IP address. Raises TooManyAttempts."""
    rows = sign_in_flows.c
    prune_flows(tx, flow.at)
    network = networks_of(address).address
    everywhere, here = tx.execute(
        select(func.count(), func.count().filter(rows.address == network)).select_from(sign_in_flows)
    ).one()
    if everywhere >= MOST or here >= MOST_FROM_ADDRESS:
        raise TooManyAttempts(int(LIFETIME.total_seconds()))
    started = Started(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    tx.execute(
        insert(sign_in_flows).values(
            state_hash=token_hash(started.state),
            browser_hash=token_hash(started.browser),
            provider=flow.provider,
            purpose=flow.purpose.value,
            session_id=flow.session_id,
            target=flow.target,
            carried=flow.carried,
            address=network,
            at=flow.at,
        )
    )
    return started


def take_flow(tx: Connection, provider: str, state: str, browser: str | None, at: datetime) -> Flow:
    """Returns the sign-in that returns from this provider to this browser, and deletes it.

    Raises SignInRefused unless this browser started it there recently, and it has not returned before.
    """
    rows = sign_in_flows.c
    same = rows.state_hash == token_hash(state), rows.browser_hash == token_hash(browser or "")
    row = tx.execute(select(sign_in_flows).where(*same)).first()
    if row is None or tx.execute(delete(sign_in_flows).where(*same)).rowcount == 0:
        raise SignInRefused(STALE, "the state is unknown, has already been used, or belongs to another browser")
    if row.provider != provider:
        raise SignInRefused(STALE, f"the sign-in was started with {row.provider}")
    if row.at <= at - LIFETIME:
        raise SignInRefused(STALE, "the sign-in was started too long ago")
    return Flow(row.provider, Purpose(row.purpose), row.at, row.target, row.carried, row.session_id)


def prune_flows(tx: Connection, at: datetime) -> int:
    """Deletes the sign-ins that have expired at an instant, and those of a clock that was wrong. Returns their number;
    0 if none are left.
    """
    begun = sign_in_flows.c.at
    return tx.execute(delete(sign_in_flows).where(or_(begun <= at - LIFETIME, begun > at + SKEW))).rowcount


def derived_secret(keyring: Keyring, use: str, state: str) -> str:
    """Returns the nonce or the code verifier of a sign-in: 43 characters, as RFC 7636, section 4.1, requires."""
    return keyring.sign("single sign-on", use, state)
