"""What the server encrypts and signs with its key, and how a key is replaced (docs/decisions/0022-server-key.md)."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SHORTEST_KEY = 32
"""Characters. A generated key has 43, which are 256 random bits."""


class Undecryptable(Exception):
    """A text was encrypted with none of the keys at hand."""


class Keyring:
    """The keys of the server. The first one encrypts and signs; the others only decrypt what they once encrypted.

    A key for each purpose is derived from them (HKDF, RFC 5869), so that what is good for one is useless for another.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._signing = _derived(keys[0], "signatures")
        ciphers = [Fernet(base64.urlsafe_b64encode(_derived(key, "encryption"))) for key in keys]
        self._first, self._all = ciphers[0], MultiFernet(ciphers)

    def encrypt(self, text: str) -> str:
        """Returns the text encrypted and authenticated: AES-128-CBC with HMAC-SHA256 (Fernet), in ASCII."""
        return self._first.encrypt(text.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Returns what `encrypt` was given, with whichever key. Raises Undecryptable."""
        try:
            return self._all.decrypt(encrypted.encode()).decode()
        except InvalidToken:
            raise Undecryptable from None

    def is_current(self, encrypted: str) -> bool:
        """Returns whether the first key encrypted it."""
        try:
            self._first.decrypt(encrypted.encode())
        except InvalidToken:
            return False
        return True

    def sign(self, *parts: str) -> str:
        """Returns a signature of the parts, in this order: 43 characters that a cookie may contain."""
        message = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
        return base64.urlsafe_b64encode(hmac.digest(self._signing, message, hashlib.sha256)).decode().rstrip("=")

    def verify(self, signature: str, *parts: str) -> bool:
        """Returns whether `sign` made the signature of these parts. Compares in constant time."""
        return hmac.compare_digest(self.sign(*parts).encode(), signature.encode("utf-8", "surrogateescape"))


def generate_key() -> str:
    """Returns a new key: 256 random bits in 43 characters."""
    return secrets.token_urlsafe(32)


def split_keys(text: str) -> list[str]:
    """Returns the keys in a text, which are separated by commas, spaces or line ends.

    Raises ValueError, which shows none of them, for a key that is too short to be a random one.
    """
    keys = [key for key in re.split(r"[\s,]+", text) if key]
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ValueError(f"each key must have at least {SHORTEST_KEY} characters")
    return keys


def _derived(key: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"issue-tracker {purpose}".encode()).derive(key.encode())
