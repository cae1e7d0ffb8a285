"""Challenges: sign-ins whose first step was correct, and which wait a few minutes for the second step, on any worker.

The token that the browser holds is random, and stored as a hash. A challenge ends when the user's password or factors
change, and when the account is disabled (`sessions.end_sessions`).
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from issue_tracker.auth.factors.stored import Method
from issue_tracker.auth.sessions import token_hash
from issue_tracker.auth.single_sign_on.binding import Binding
from issue_tracker.auth.users import User, get_user
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.pruning import delete_piece
from issue_tracker.database.tables import sign_in_challenges, users
from issue_tracker.errors import Unauthenticated

LIFETIME = timedelta(minutes=5)
"""Long enough to fetch a telephone."""

MOST_ATTEMPTS = 5
"""Maximum number of answers to one challenge. In addition, the throttle counts the answers for an account."""

MOST_OPEN = 10
"""Maximum number of waiting sign-ins of a user; a further one ends the oldest."""


class SecondFactorRequired(Unauthenticated):
    """The first step of a sign-in was correct, and the account requires a second one (contract, section 11).

    `challenge` is the secret that the second step must present, together with one of the `methods`.
    """

    reason_code = "second_factor_required"

    def __init__(self, challenge: str, methods: Sequence[Method]) -> None:
        super().__init__(
            "This account needs a second factor: continue with POST /api/auth/login/second-factor. An unattended "
            "program needs an API token instead."
        )
        self.challenge, self.methods = challenge, list(methods)
        self.more = {"methods": self.methods, "challenge": challenge}


class SignInExpired(Unauthenticated):
    """The challenge of a sign-in has expired, was used, had too many wrong answers, or never existed (401)."""

    reason_code = "sign_in_expired"

    def __init__(self) -> None:
        super().__init__("This sign-in has expired or has already been used. Start again.")


def begin(tx: Connection, user_id: int, at: datetime, binding: Binding | None = None) -> str:
    """Creates a challenge for a user's sign-in and returns its token. `binding` is that of the identity provider."""
    challenge, own = secrets.token_urlsafe(32), sign_in_challenges.c.user_id == user_id
    oldest = select(sign_in_challenges.c.token_hash).where(own).order_by(sign_in_challenges.c.created_at.desc())
    too_many = list(tx.execute(oldest.offset(MOST_OPEN - 1)).scalars())
    if too_many:
        tx.execute(delete(sign_in_challenges).where(sign_in_challenges.c.token_hash.in_(too_many)))
    values = {"token_hash": token_hash(challenge), "user_id": user_id, "attempts": 0, "created_at": at}
    bound = None if binding is None else msgspec.json.encode(binding).decode()
    tx.execute(insert(sign_in_challenges).values(**values, binding=bound, expires_at=at + LIFETIME))
    return challenge


def find_user(tx: Connection, challenge: str, at: datetime, *, lock: bool = False) -> User:
    """Returns the user whose sign-in waits with this challenge. Raises SignInExpired.

    With `lock`, concurrent changes to the account wait until the transaction ends.
    """
    values = {"token_hash": token_hash(challenge), "at": at}
    user_id = _waiting.scalar(tx, **values)
    if user_id is not None and lock:
        tx.execute(select(users.c.user_id).where(users.c.user_id == user_id).with_for_update())
        # A change to the account that committed while this waited for the lock has ended the challenge.
        user_id = _waiting.scalar(tx, **values)
    user = None if user_id is None else get_user(tx, user_id)
    if user is None or not user.active:
        raise SignInExpired
    return user


def count_attempt(tx: Connection, challenge: str, at: datetime) -> None:
    """Counts an answer to the challenge, before the answer is checked. Raises SignInExpired after too many."""
    few = sign_in_challenges.c.attempts < MOST_ATTEMPTS
    unexpired = sign_in_challenges.c.token_hash == token_hash(challenge), sign_in_challenges.c.expires_at > at
    counted = update(sign_in_challenges).where(*unexpired, few)
    if tx.execute(counted.values(attempts=sign_in_challenges.c.attempts + 1)).rowcount != 1:
        raise SignInExpired


def end(tx: Connection, challenge: str) -> Binding | None:
    """Ends a challenge that was answered correctly, and returns its binding. Raises SignInExpired if it has ended
    already.
    """
    same = sign_in_challenges.c.token_hash == token_hash(challenge)
    stored = tx.execute(select(sign_in_challenges.c.binding).where(same)).scalar_one_or_none()
    if tx.execute(delete(sign_in_challenges).where(same)).rowcount != 1:
        raise SignInExpired
    return None if stored is None else msgspec.json.decode(stored, type=Binding)


def prune_challenges(tx: Connection, at: datetime) -> int:
    """Deletes a batch of challenges that expired before an instant. Returns their number; 0 if none are left."""
    return delete_piece(tx, sign_in_challenges.c.token_hash, sign_in_challenges.c.expires_at <= at)


# Prepared, because anybody can request the page of the second step.
_waiting = Prepared(
    lambda _: select(sign_in_challenges.c.user_id).where(
        sign_in_challenges.c.token_hash == bindparam("token_hash"),
        sign_in_challenges.c.expires_at > bindparam("at", type_=sign_in_challenges.c.expires_at.type),
    )
)
