"""Recovery codes, each of which replaces a lost second factor once. Only their hashes are stored."""

import base64
import secrets

from sqlalchemy import Connection, delete, func, insert, select

from issue_tracker.auth.sessions import token_hash
from issue_tracker.database.tables import recovery_codes

CODES = 10
"""Number of codes that a user gets."""

BYTES = 15
"""Random bytes of a code: 120 bits, for which a fast hash is sufficient (ASVS 5.0, 6.5.2: from 112 bits)."""

GROUP = 4
"""Number of characters between two hyphens."""


def new_codes(tx: Connection, user_id: int) -> list[str]:
    """Replaces a user's codes with new ones. Returns them; only their hashes are stored."""
    forget_codes(tx, user_id)
    codes = [_new_code() for _ in range(CODES)]
    tx.execute(insert(recovery_codes), [{"user_id": user_id, "code_hash": _hash(code)} for code in codes])
    return codes


def use_code(tx: Connection, user_id: int, code: str) -> bool:
    """Returns whether this is a code of the user, and uses it up: of two concurrent attempts, only one succeeds."""
    own = recovery_codes.c.user_id == user_id, recovery_codes.c.code_hash == _hash(code)
    return tx.execute(delete(recovery_codes).where(*own)).rowcount == 1


def count_codes(tx: Connection, user_id: int) -> int:
    """Returns the number of codes that are left."""
    return int(tx.execute(select(func.count()).where(recovery_codes.c.user_id == user_id)).scalar_one())


def forget_codes(tx: Connection, user_id: int) -> None:
    """Deletes the codes of a user."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))


def _new_code() -> str:
    text = base64.b32encode(secrets.token_bytes(BYTES)).decode().lower()
    return "-".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))


def _hash(code: str) -> bytes:
    """Returns the stored form of a code, ignoring hyphens, spaces and case."""
    return token_hash("".join(character for character in code.casefold() if character.isalnum()))
