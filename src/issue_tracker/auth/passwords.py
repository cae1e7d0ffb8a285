"""Password hashes: Argon2id with the parameters of RFC 9106 (argon2-cffi's defaults)."""

import secrets
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MINIMUM = 8
"""NIST SP 800-63B, 5.1.1.2: at least eight characters, and no rules of composition."""
MAXIMUM = 1024

_hasher = PasswordHasher()


def _random_hash() -> str:
    """A hash in today's parameters that no password has: it costs as much to verify, and nothing to make."""
    parts = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_hasher.salt_len, _hasher.hash_len))
    costs = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${costs}${'$'.join(parts)}"


_nobody = _random_hash()


class Password(str):
    """A new password that is long enough."""

    __slots__ = ()


def parse_password(text: str) -> Password:
    """A new password as given. Raises ValueError with the reason when it is refused."""
    if len(text) < MINIMUM:
        raise ValueError(f"must be at least {MINIMUM} characters")
    if len(text) > MAXIMUM:
        raise ValueError(f"must be at most {MAXIMUM:,} characters")
    return Password(text)


def hash_password(password: str) -> str:
    """The hash to store. Slow by design: never inside a transaction."""
    return _hasher.hash(password.encode("utf-8", "surrogatepass"))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is right. Takes as long for no account (None) as for a wrong password."""
    try:
        _hasher.verify(password_hash or _nobody, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def generate_password() -> str:
    """A password that nobody guesses: 120 bits."""
    return secrets.token_urlsafe(15)
