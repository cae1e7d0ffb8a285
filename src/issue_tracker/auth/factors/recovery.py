"""Recovery codes: what lets a user in once who has lost the other factors. Only their hashes are stored."""

import base64
import secrets

from sqlalchemy import Connection, delete, func, insert, select

from issue_tracker.auth.sessions import token_hash
from issue_tracker.database.tables import recovery_codes

CODES = 10
"""How many codes a user gets."""

BYTES = 15
"""Random bytes of a code: 120 bits, for which a fast hash is enough (ASVS 5.0, 6.5.2: from 112 bits)."""

GROUP = 4
"""Characters between two hyphens."""


def new_codes(tx: Connection, user_id: int) -> list[str]:
    """Gives a user new codes in place of those that are left. Returns them; they are stored nowhere."""
    forget_codes(tx, user_id)
    codes = [_new_code() for _ in range(CODES)]
    tx.execute(insert(recovery_codes), [{"user_id": user_id, "code_hash": _hash(code)} for code in codes])
    return codes


def use_code(tx: Connection, user_id: int, code: str) -> bool:
    """Returns whether it is a code of the user, which is used up now: of two who try it at once, one is right."""
    own = recovery_codes.c.user_id == user_id, recovery_codes.c.code_hash == _hash(code)
    return tx.execute(delete(recovery_codes).where(*own)).rowcount == 1


def count_codes(tx: Connection, user_id: int) -> int:
    """Returns how many codes are left."""
    return int(tx.execute(select(func.count()).where(recovery_codes.c.user_id == user_id)).scalar_one())


def forget_codes(tx: Connection, user_id: int) -> None:
    """Deletes the codes of a user."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))


def _new_code() -> str:
    text = base64.b32encode(secrets.token_bytes(BYTES)).decode().lower()
    return "-".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))


def _hash(code: str) -> bytes:
    """What is stored of a code, however it was typed: with or without hyphens and spaces, in any case."""
    return token_hash("".join(character for character in code.casefold() if character.isalnum()))
