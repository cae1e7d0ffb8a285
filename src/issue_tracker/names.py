"""Names and texts: how they are cleaned, when they are equal, and what is refused (contract, section 1)."""

import unicodedata
from collections.abc import Iterable

NAME_LIMIT = 255
DESCRIPTION_LIMIT = 10_000
NOTE_LIMIT = 2_000


class Name(str):
    """The name of an issue or a company: NFC, trimmed, 1-255 characters, no control characters."""

    __slots__ = ()


class IssueName(Name):
    """The name that an issue may have: a Name that is not reserved."""

    __slots__ = ()


class Description(str):
    """A description: NFC, trimmed, lines end in a line feed, at most 10,000 characters; empty means none."""

    __slots__ = ()


class Note(str):
    """A note to a change: NFC, trimmed, lines end in a line feed, at most 2,000 characters."""

    __slots__ = ()


def parse_name(text: str) -> Name:
    """The name in its stored form. Raises ValueError with the reason when it is not one."""
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise ValueError("must not be blank")
    if len(name) > NAME_LIMIT:
        raise ValueError(f"must be at most {NAME_LIMIT} characters, and is {len(name)}")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise ValueError("must not contain control characters")
    return Name(name)


def parse_issue_name(text: str) -> IssueName:
    """An issue's name in its stored form. Raises ValueError also for the reserved ones.

    `status` is a path of its own (`/api/issues/status`); `.` and `..` are resolved away by clients.
    """
    name = parse_name(text)
    if key(name) == "status":
        raise ValueError(f"“{name}” is reserved, because /api/issues/status has another meaning; choose another name")
    if name in (".", ".."):
        raise ValueError(f"“{name}” is reserved, because clients resolve it away in paths; choose another name")
    return IssueName(name)


def parse_description(text: str) -> Description:
    """A description in its stored form, possibly empty. Raises ValueError with the reason."""
    return Description(_text(text, DESCRIPTION_LIMIT))


def parse_note(text: str) -> Note:
    """A note in its stored form, possibly empty. Raises ValueError with the reason."""
    return Note(_text(text, NOTE_LIMIT))


def key(text: str) -> str:
    """What equality, uniqueness, order and search compare: the casefolded NFC form.

    Composed once more at the end, because casefolding takes some letters apart: `ΐ` would differ from its capital.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


def repeated(names: Iterable[str]) -> list[tuple[int, str]]:
    """Those that equal an earlier one, with their places."""
    seen: set[str] = set()
    twice = []
    for index, name in enumerate(names):
        if key(name) in seen:
            twice.append((index, name))
        seen.add(key(name))
    return twice


def storable(name: str) -> bool:
    """Whether a text of unknown origin can be looked up at all: no database holds NUL or lone surrogates."""
    return "\0" not in name and not any("\ud800" <= character <= "\udfff" for character in name)


def printable(name: str) -> str:
    """A text of unknown origin as it may be shown: shortened, and valid Unicode."""
    return name[:NAME_LIMIT].encode("utf-8", "replace").decode()


def whole_number(text: str) -> int | None:
    """The number from 0 up that a text of unknown origin says; None for anything else, and beyond 63 bits."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    number = int(text)
    return number if number < 2**63 else None


def one_newline(text: str) -> str:
    """The text with line feeds alone between its lines, as forms and files of other systems do not have them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text(text: str, limit: int) -> str:
    cleaned = unicodedata.normalize("NFC", one_newline(text)).strip()
    if len(cleaned) > limit:
        raise ValueError(f"must be at most {limit:,} characters, and is {len(cleaned):,}")
    if not storable(cleaned):
        raise ValueError("must not contain NUL characters or lone surrogates")
    return cleaned
