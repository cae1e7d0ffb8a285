"""Passkey challenges for clients that are not signed in: signed with the server key, valid for minutes, used once.

Any client may request one, so a challenge is stored only after a correct answer. Any process with the key can verify
it.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from issue_tracker.auth.sessions import token_hash
from issue_tracker.database.pruning import delete_piece
from issue_tracker.database.tables import spent_challenges
from issue_tracker.encryption import Keyring

LIFETIME = timedelta(minutes=5)


def new_challenge(keyring: Keyring, purpose: str, at: datetime) -> str:
    """Returns a challenge for one purpose, which may include the user it is for."""
    end, nonce = str(int((at + LIFETIME).timestamp())), secrets.token_urlsafe(32)
    return f"{end}.{nonce}.{keyring.sign('passkey', purpose, end, nonce)}"


def is_open(keyring: Keyring, challenge: str, purpose: str, at: datetime) -> bool:
    """Returns whether it is a challenge for this purpose that has not expired."""
    end, _, rest = challenge.partition(".")
    nonce, _, signature = rest.partition(".")
    return keyring.verify(signature, "passkey", purpose, end, nonce) and at.timestamp() < int(end)


def signed_bytes(challenge: str) -> bytes:
    """Returns the bytes that the authenticator signs for a challenge of either kind."""
    return hashlib.sha256(challenge.encode("utf-8", "surrogatepass")).digest()


def spend(tx: Connection, challenge: str) -> bool:
    """Marks an open challenge as used. Returns whether it had not been used before."""
    end = datetime.fromtimestamp(int(challenge.partition(".")[0]), UTC)
    try:
        with tx.begin_nested():
            tx.execute(insert(spent_challenges).values(token_hash=token_hash(challenge), expires_at=end))
    except IntegrityError:
        return False
    return True


def prune_spent(tx: Connection, at: datetime) -> int:
    """Deletes a batch of used challenges that have expired. Returns their number; 0 if none are left."""
    return delete_piece(tx, spent_challenges.c.token_hash, spent_challenges.c.expires_at <= at)
