"""References as text in forms and files: one per line, in the form `System: key URL`, in which the URL is optional."""

from collections.abc import Iterable

from issue_tracker.issues.models import Reference
from issue_tracker.names import parse_name, parse_web_address


def write_references(references: Iterable[Reference]) -> str:
    """Returns a line for each reference."""
    return "\n".join(f"{one.system}: {one.key}{f' {one.url}' if one.url else ''}" for one in references)


def read_references(text: str) -> list[Reference]:
    """Returns the references in the lines of a text. Raises ValueError, with the reason, for an invalid one."""
    return [_read_reference(line.strip()) for line in text.split("\n") if line.strip()]


def _read_reference(line: str) -> Reference:
    words, _, last = line.rpartition(" ")
    has_url = bool(words) and last.startswith(("http://", "https://"))
    system, colon, key = (words if has_url else line).partition(":")
    if not colon:
        raise ValueError("must have the form “System: key”, on each line")
    return Reference(parse_name(system), parse_name(key), parse_web_address(last) if has_url else None)
