"""Password hashes: Argon2id with the parameters recommended by RFC 9106, which are argon2-cffi's defaults."""

import secrets
import unicodedata
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from issue_tracker.auth import hashing
from issue_tracker.auth.guessable import is_common, is_personal
from issue_tracker.errors import Invalid

MINIMUM = 8
"""NIST SP 800-63B, 5.1.1.2: at least eight characters, and no composition rules."""
MAXIMUM = 1024
"""Characters: hashing passwords of unlimited length would let any client keep the server busy."""

NO_PASSWORD = ""
"""Stored instead of a hash until the user has chosen a password; no password matches it."""

_hasher = PasswordHasher()


def _random_hash() -> str:
    """Returns a hash that no password has. Verifying it costs as much as verifying a real one."""
    parts = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_hasher.salt_len, _hasher.hash_len))
    costs = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${costs}${'$'.join(parts)}"


_no_account = _random_hash()


class Password(str):
    """A new password that passed the checks which need no account: long enough, not among the most common; in NFC."""

    __slots__ = ()


def parse_password(text: str) -> Password:
    """Returns a new password in NFC. Raises ValueError, with the reason, if it is unacceptable for every account."""
    if len(text) > MAXIMUM:
        raise ValueError(f"must be at most {MAXIMUM:,} characters")
    password = normalized(text)
    if len(password) < MINIMUM:
        raise ValueError(f"must be at least {MINIMUM} characters")
    if is_common(password):
        raise ValueError("is one of the most common passwords, which are guessed first; choose another one")
    return Password(password)


def normalized(password: str) -> str:
    """Returns the password in NFC, because keyboards and systems encode the same letters differently (SP 800-63B)."""
    return unicodedata.normalize("NFC", password)


def hash_new_password(password: Password, *, email: str, name: str, field: str = "password") -> str:
    """Returns the hash of a new password for the user with this email address and name.

    Raises Invalid for `field` if the password is one of these. Slow by design: never call it inside a transaction.
    """
    if is_personal(password, email, name):
        raise Invalid.field(field, "must not be the name or the email address of the user")
    return hash_password(password)


def hash_password(password: str) -> str:
    """Returns the hash of a password that was accepted before. Slow by design, like hash_new_password."""
    encoded = normalized(password).encode("utf-8", "surrogatepass")
    return hashing.run(lambda: _hasher.hash(encoded))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Returns whether the password is correct.

    Takes the same time without an account (None) and without a password (NO_PASSWORD) as for a wrong password. Hashes
    from before passwords were normalized are of the text as it was entered. Slow by design: never call it inside a
    transaction. Raises TooBusy.
    """
    spellings = dict.fromkeys((normalized(password), password))
    return any(_matches(password_hash or _no_account, spelling) for spelling in spellings)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return hashing.run(lambda: _hasher.verify(password_hash, password.encode("utf-8", "surrogatepass")))
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(password_hash: str) -> bool:
    """Returns whether the hash was made with other than the present parameters."""
    return _hasher.check_needs_rehash(password_hash)


def generate_password() -> str:
    """Returns a random password with 120 bits of entropy."""
    return secrets.token_urlsafe(15)
