"""The fields of an issue as texts, in the cells of files and in forms. Tags are separated by commas. References have
one line each, in the form `System: key URL`, in which the URL is optional.

A system or a key that would be misread there is enclosed in quotation marks, and those within it are doubled: a system
with a colon, a key that ends with a web address, and both if they begin with a quotation mark. Every reference that the
API accepts can therefore be read again from its text.

Every function that reads a text raises ValueError, with the reason, for an invalid one.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from issue_tracker.clock import in_utc
from issue_tracker.issues.models import DetailedAssignment, Issue, Owner, Reference, Severity
from issue_tracker.issues.queries.owners import Emails
from issue_tracker.names import Tag, parse_name, parse_tag, parse_web_address


def write_fields(shown: Issue | DetailedAssignment, names: Iterable[str], emails: Emails) -> dict[str, str]:
    """Returns the texts of the fields with these names; that of a field without a value is empty."""
    return {name: _write(getattr(shown, name), emails) for name in names}


def write_owner(owner: Owner | None, emails: Emails) -> str:
    """Returns the address of an owner; empty without an owner, or if the address is not known."""
    return "" if owner is None else emails.get(owner.user_id, "")


def write_references(references: Iterable[Reference]) -> str:
    """Returns a line for each reference."""
    return "\n".join(_write_reference(one) for one in references)


def _write_reference(one: Reference) -> str:
    system = _quoted(one.system) if ":" in one.system or one.system.startswith('"') else one.system
    ends_with_address = not one.url and _is_address(one.key.rpartition(" ")[2])
    written = _quoted(one.key) if ends_with_address or one.key.startswith('"') else one.key
    return f"{system}: {written} {one.url}" if one.url else f"{system}: {written}"


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _unquoted(text: str) -> str:
    """Returns the text without the quotation marks that enclose it, if there are any."""
    return text[1:-1].replace('""', '"') if _in_quotes.fullmatch(text) else text


def _is_address(word: str) -> bool:
    return word.lower().startswith(("http://", "https://"))


_in_quotes = re.compile(r'"(?:[^"]|"")++"(?!")')


def _write(value: str | Owner | list[str] | list[Reference] | None, emails: Emails) -> str:
    if value is None or isinstance(value, Owner):
        return write_owner(value, emails)
    if isinstance(value, str):
        return value
    references = [one for one in value if isinstance(one, Reference)]
    return write_references(references) if references else ", ".join(str(tag) for tag in value)


def read_severity(text: str) -> Severity:
    """Returns the severity, in any case."""
    try:
        return Severity(text.lower())
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Severity)}") from None


def read_instant(text: str) -> datetime:
    """Returns the instant, in UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("must be an instant with an offset, such as 2025-01-04T10:15:00+00:00")
    return in_utc(at)


def read_tags(text: str) -> list[Tag]:
    """Returns the tags, without empty ones."""
    return [parse_tag(tag) for tag in text.split(",") if tag.strip()]


def read_references(text: str) -> list[Reference]:
    """Returns the references in the lines of a text."""
    return [_read_reference(line.strip()) for line in text.split("\n") if line.strip()]


def _read_reference(line: str) -> Reference:
    start = _in_quotes.match(line)
    after = line[start.end() :].lstrip() if start else ""
    if start is not None and after.startswith(":"):
        system, rest = _unquoted(start[0]), after[1:].strip()
    else:
        system, rest = (part.strip() for part in line.partition(":")[::2])
    written, address = rest, ""
    if not _in_quotes.fullmatch(rest):
        words, _, last = rest.rpartition(" ")
        if _is_address(last):
            written, address = words.strip(), last
    key = _unquoted(written)
    if not system or not key or _is_address(line):
        raise ValueError("must have the form “System: key”, possibly with a web address after the key, on each line")
    return Reference(parse_name(system), parse_name(key), parse_web_address(address) if address else None)
