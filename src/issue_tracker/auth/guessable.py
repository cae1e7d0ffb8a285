"""Which passwords are guessed first: common ones, and those that belong to the account or to the product.

NIST SP 800-63B, 5.1.1.2, and the contract, section 11, refuse them. There are no other rules but the length.
"""

from functools import cache
from pathlib import Path

PRODUCT = "issuetracker"

_WORDS = Path(__file__).parent / "common_passwords" / "words.txt"


def is_common(password: str) -> bool:
    """Returns whether the password is one of the most common ones, or the name of the product, in any case."""
    return _bare(password) == PRODUCT or f"\n{password.casefold()}\n" in _common()


def is_personal(password: str, email: str, name: str) -> bool:
    """Returns whether the password is the name, the e-mail address or its first part, whatever the case and signs."""
    bare = _bare(password)
    return bool(bare) and bare in {_bare(name), _bare(email), _bare(email.partition("@")[0])}


def _bare(text: str) -> str:
    """The letters and digits of a text, casefolded."""
    return "".join(character for character in text.casefold() if character.isalnum())


@cache
def _common() -> str:
    """All common passwords, each between two line feeds: searching 160 kB is quick, and a set would take ten times the
    memory in every process.
    """
    return f"\n{_WORDS.read_text('utf-8')}"
