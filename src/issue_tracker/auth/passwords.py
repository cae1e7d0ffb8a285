"""Password hashes: Argon2id with the parameters that RFC 9106 recommends, which are argon2-cffi's defaults."""

import secrets
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from issue_tracker.auth import hashing

MINIMUM = 8
"""NIST SP 800-63B, 5.1.1.2: at least eight characters, and no composition rules."""
MAXIMUM = 1024
"""Characters: hashing a password of any length would let strangers keep the server busy."""

NO_PASSWORD = ""
"""What is stored in place of a hash until the user has chosen a password: no password is correct."""

_hasher = PasswordHasher()


def _random_hash() -> str:
    """A hash that no password has. With the present parameters it costs as much to verify as a real one."""
    parts = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_hasher.salt_len, _hasher.hash_len))
    costs = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${costs}${'$'.join(parts)}"


_no_account = _random_hash()


class Password(str):
    """A new password of permitted length."""

    __slots__ = ()


def parse_password(text: str) -> Password:
    """Returns a new password unchanged. Raises ValueError with the reason when it is too short or too long."""
    if len(text) < MINIMUM:
        raise ValueError(f"must be at least {MINIMUM} characters")
    if len(text) > MAXIMUM:
        raise ValueError(f"must be at most {MAXIMUM:,} characters")
    return Password(text)


def hash_password(password: str) -> str:
    """Returns the hash to store. Slow by design: never call it inside a transaction. Raises TooBusy."""
    return hashing.run(lambda: _hasher.hash(password.encode("utf-8", "surrogatepass")))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Returns whether the password is correct.

    It takes as long without an account (None) and without a password (NO_PASSWORD) as for a wrong password. Slow by
    design: never call it inside a transaction. Raises TooBusy.
    """
    try:
        hashing.run(lambda: _hasher.verify(password_hash or _no_account, password.encode("utf-8", "surrogatepass")))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Returns whether the hash was made with other parameters than the present ones."""
    return _hasher.check_needs_rehash(password_hash)


def generate_password() -> str:
    """Returns a random password with 120 bits of entropy."""
    return secrets.token_urlsafe(15)
