"""Names and texts: how they are normalized, when they are equal, and which are rejected (contract, section 1)."""

import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from issue_tracker.integers import LARGEST_ID

NAME_LIMIT = 255
DESCRIPTION_LIMIT = 10_000
NOTE_LIMIT = 2_000
UPDATE_LIMIT = 10_000
TAG_LIMIT = 100
ADDRESS_LIMIT = 2_000

END = "$(?!\\n)"
"""The end of a pattern in a type of msgspec: `$` alone would also match in front of a line feed at the end."""

UNSTORABLE = "must not contain NUL characters or lone surrogates"
"""What is wrong with a text that is not `storable`."""

COMPOSED_OF = 4
"""Maximum number of characters that NFC composes into one (UAX #15, section 9)."""

MOST_MARKS = 64
"""In a text longer than any name, longer runs of combining marks are normalized in pieces of this length."""


class Name(str):
    """The name of an issue or a company: NFC, trimmed, 1-255 characters, no control characters."""

    __slots__ = ()


class IssueName(Name):
    """The name of an issue: a Name that is not reserved."""

    __slots__ = ()


class Description(str):
    """A description: NFC, trimmed, with line feeds as line ends, at most 10,000 characters; empty means none."""

    __slots__ = ()


class Note(str):
    """A note on a change: NFC, trimmed, with line feeds as line ends, at most 2,000 characters; empty means none."""

    __slots__ = ()


class UpdateText(str):
    """The text of an update, in Markdown: NFC, trimmed, with line feeds as line ends, 1-10,000 characters."""

    __slots__ = ()


class Tag(str):
    """A tag of an issue: a Name of at most 100 characters without commas, which separate tags on pages."""

    __slots__ = ()


class ExternalKey(str):
    """The name that a program gives to an issue, in the form of a Name but case-sensitive: `a` and `A` differ."""

    __slots__ = ()


class WebAddress(str):
    """A web address: http or https, without white space, at most 2,000 characters."""

    __slots__ = ()


def parse_name(text: str) -> Name:
    """Returns the name in its stored form. Raises ValueError, with the reason, for a text that cannot be a name."""
    trimmed = text.strip()
    name = trimmed if len(trimmed) > COMPOSED_OF * NAME_LIMIT else composed(trimmed).strip()
    if not name:
        raise ValueError("must not be blank")
    if len(name) > NAME_LIMIT:
        raise ValueError(f"must be at most {NAME_LIMIT} characters, but is {len(name)}")
    # Printable texts, which nearly all names are, contain no control characters; the exact test is slower.
    if not name.isprintable() and any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise ValueError("must not contain control characters")
    return Name(name)


def parse_issue_name(text: str) -> IssueName:
    """Returns an issue's name in its stored form. Raises ValueError as `parse_name` does, and for reserved names.

    `status` would collide with the path `/api/issues/status`. Clients resolve `.` and `..` in paths (RFC 3986, 5.2.4).
    """
    name = parse_name(text)
    if key(name) == "status":
        raise ValueError(f"“{name}” is reserved, because /api/issues/status has another meaning; choose another name")
    if name in (".", ".."):
        raise ValueError(f"“{name}” is reserved, because clients remove it from paths; choose another name")
    return IssueName(name)


def parse_description(text: str) -> Description:
    """Returns a description in its stored form, possibly empty. Raises ValueError with the reason if it is invalid."""
    return Description(_text(text, DESCRIPTION_LIMIT))


def parse_note(text: str) -> Note:
    """Returns a note in its stored form, possibly empty. Raises ValueError with the reason if it is invalid."""
    return Note(_text(text, NOTE_LIMIT))


def parse_update(text: str) -> UpdateText:
    """Returns the text of an update in its stored form. Raises ValueError with the reason if it is invalid."""
    cleaned = _text(text, UPDATE_LIMIT)
    if not cleaned:
        raise ValueError("must not be blank")
    return UpdateText(cleaned)


def parse_tag(text: str) -> Tag:
    """Returns a tag in its stored form. Raises ValueError with the reason if it is invalid."""
    tag = parse_name(text)
    if len(tag) > TAG_LIMIT:
        raise ValueError(f"must be at most {TAG_LIMIT} characters, but is {len(tag)}")
    if "," in tag:
        raise ValueError("must not contain a comma")
    return Tag(tag)


def parse_external_key(text: str) -> ExternalKey:
    """Returns an external key in its stored form. Raises ValueError with the reason if it is invalid."""
    return ExternalKey(parse_name(text))


def parse_web_address(text: str) -> WebAddress:
    """Returns a web address in its stored form. Raises ValueError with the reason if it is invalid."""
    address = text.strip()
    if len(address) > ADDRESS_LIMIT:
        raise ValueError(f"must be at most {ADDRESS_LIMIT:,} characters, but is {len(address):,}")
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    usable = parts.scheme in ("http", "https") and bool(parts.hostname) and storable(address)
    if not usable or any(character.isspace() or not character.isprintable() for character in address):
        raise ValueError("must be an address that starts with http:// or https://")
    return WebAddress(address)


def key(text: str) -> str:
    """Returns the form for equality, uniqueness, sort order and search: casefolded and in NFC.

    The text is composed again at the end, because casefolding decomposes some letters: without it, `ΐ` would differ
    from its capital.
    """
    if text.isascii():
        return text.strip().lower()  # the same result, in a fraction of the time
    return composed(composed(text).strip().casefold())


def composed(text: str) -> str:
    """Returns the text in NFC, in time proportional to its length.

    `unicodedata` takes time proportional to the square of the number of consecutive combining marks: minutes for the
    largest request. No language uses more than a few. In a text longer than any name, with longer runs of marks, some
    marks may remain in an order that is not canonical.
    """
    if text.isascii():
        return text
    if len(text) <= COMPOSED_OF * NAME_LIMIT or not any(map(unicodedata.combining, text[::MOST_MARKS])):
        return unicodedata.normalize("NFC", text)
    return "".join(unicodedata.normalize("NFC", piece) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """Yields the text in pieces with at most MOST_MARKS consecutive combining marks."""
    start = marks = 0
    for place, character in enumerate(text):
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MOST_MARKS:
            yield text[start:place]
            start, marks = place, 1
    yield text[start:]


def repeated(names: Iterable[str]) -> list[tuple[int, str]]:
    """Returns the names that equal an earlier one, each with its index."""
    seen: set[str] = set()
    twice = []
    for index, name in enumerate(names):
        if key(name) in seen:
            twice.append((index, name))
        seen.add(key(name))
    return twice


def storable(name: str) -> bool:
    """Returns whether a text of unknown origin can be stored or looked up: databases reject NUL and lone surrogates."""
    if "\0" in name:
        return False
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def printable(name: str) -> str:
    """Returns a text of unknown origin in a form that may be shown: truncated, and valid Unicode."""
    return name[:NAME_LIMIT].encode("utf-8", "replace").decode()


def whole_number(text: str) -> int | None:
    """Returns the non-negative number in a text of unknown origin; None for anything else or for more than 63 bits."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    number = int(text)
    return number if number <= LARGEST_ID else None


def one_newline(text: str) -> str:
    """Returns the text with line feeds as line ends, where forms and other systems use carriage returns, too."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text(text: str, limit: int) -> str:
    cleaned = composed(one_newline(text)).strip()
    if len(cleaned) > limit:
        raise ValueError(f"must be at most {limit:,} characters, but is {len(cleaned):,}")
    if not storable(cleaned):
        raise ValueError(UNSTORABLE)
    return cleaned
