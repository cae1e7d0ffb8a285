"""Encryption and signatures with the server key, and the replacement of a key (docs/decisions/0022-server-key.md)."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12
"""Bytes. With a random nonce for each of a server's few secrets, the limit of 2³² is far away (NIST SP 800-38D)."""

SHORTEST_KEY = 32
"""Minimum number of characters. A generated key has 43, which are 256 random bits."""


class Undecryptable(Exception):
    """A text was not encrypted with any of the available keys."""


class Keyring:
    """The keys of the server. The first one encrypts and signs; the others only decrypt existing texts.

    A separate key for each purpose is derived from them (HKDF, RFC 5869), so that no key serves two purposes.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = list(keys)

    # The library is imported on first use, because it takes 7 MB of memory: a worker that only serves the API neither
    # signs nor encrypts.

    @cached_property
    def _signing(self) -> bytes:
        return _derived(self._keys[0], "signatures")

    @cached_property
    def _ciphers(self) -> list["AESGCM"]:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - takes 7 MB

        return [AESGCM(_derived(key, "encryption")) for key in self._keys]

    def followed_by(self, former: "Keyring") -> "Keyring":
        """Returns these keys followed by those of another server, which then decrypt, too."""
        return Keyring([*self._keys, *former._keys])

    def encrypt(self, text: str) -> str:
        """Returns the text encrypted with AES-256-GCM: a random nonce and the authenticated ciphertext, in ASCII."""
        nonce = secrets.token_bytes(NONCE)
        return base64.urlsafe_b64encode(nonce + self._ciphers[0].encrypt(nonce, text.encode(), None)).decode()

    def decrypt(self, encrypted: str) -> str:
        """Returns the text that `encrypt` was called with, under any of the keys. Raises Undecryptable."""
        for cipher in self._ciphers:
            text = _opened(cipher, encrypted)
            if text is not None:
                return text
        raise Undecryptable

    def is_current(self, encrypted: str) -> bool:
        """Returns whether the text was encrypted with the first key."""
        return _opened(self._ciphers[0], encrypted) is not None

    def sign(self, *parts: str) -> str:
        """Returns a signature of the parts, in this order: 43 characters that a cookie may contain."""
        message = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
        return base64.urlsafe_b64encode(hmac.digest(self._signing, message, hashlib.sha256)).decode().rstrip("=")

    def verify(self, signature: str, *parts: str) -> bool:
        """Returns whether the signature is `sign`'s for these parts. Compares in constant time."""
        return hmac.compare_digest(self.sign(*parts).encode(), signature.encode("utf-8", "surrogateescape"))


def generate_key() -> str:
    """Returns a new key: 256 random bits in 43 characters."""
    return secrets.token_urlsafe(32)


def split_keys(text: str) -> list[str]:
    """Returns the keys in a text, which are separated by commas, spaces or line ends.

    Raises ValueError, whose message contains no key, for a key that is too short to be a random one.
    """
    keys = [key for key in re.split(r"[\s,]+", text) if key]
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ValueError(f"each key must have at least {SHORTEST_KEY} characters")
    return keys


def _opened(cipher: "AESGCM", encrypted: str) -> str | None:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - takes 7 MB

    try:
        sealed = base64.b64decode(encrypted.encode(), altchars=b"-_", validate=True)
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], None).decode()
    except (InvalidTag, ValueError):
        return None


def _derived(key: str, purpose: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - takes 7 MB
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - takes 7 MB

    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"issue-tracker {purpose}".encode()).derive(key.encode())
