"""Passwords that attackers guess first: common ones, and those derived from the account or the product.

NIST SP 800-63B, 5.1.1.2, and the contract, section 11, reject them. The only other rules concern the length.
"""

from functools import cache
from pathlib import Path

PRODUCT = "issuetracker"

_WORDS = Path(__file__).parent / "common_passwords" / "words.txt"


def is_common(password: str) -> bool:
    """Returns whether the password is one of the most common ones, or the name of the product, in any case."""
    return _bare(password) == PRODUCT or f"\n{password.casefold()}\n" in _common()


def is_personal(password: str, email: str, name: str) -> bool:
    """Returns whether the password is the name, the email address or its local part, ignoring case and punctuation."""
    bare = _bare(password)
    return bool(bare) and bare in {_bare(name), _bare(email), _bare(email.partition("@")[0])}


def _bare(text: str) -> str:
    """Returns the letters and digits of a text, casefolded."""
    return "".join(character for character in text.casefold() if character.isalnum())


@cache
def _common() -> str:
    """Returns all common passwords, each between two line feeds: searching 160 kB is fast, and a set would take ten
    times the memory in every process.
    """
    return f"\n{_WORDS.read_text('utf-8')}"
