"""The options for the fields of an issue, which `create` and `update` share."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import cast

import click

from issue_tracker_client.fields import AssignmentFields, Fields


def parse_instant(text: str) -> datetime:
    """Returns a time from ISO 8601, which is local time if it has no time zone. Raises click.BadParameter."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is not a time such as 2025-01-04T10:15.") from None


def parse_due(text: str) -> datetime | str:
    """Like `parse_instant`, but an empty text remains empty."""
    return parse_instant(text) if text.strip() else ""


def parse_reference(text: str) -> dict[str, str | None] | None:
    """Returns the parts of `SYSTEM: KEY [URL]`; None for an empty text. Raises click.BadParameter.

    A system that contains a colon, and a key that ends with a web address, may be enclosed in quotation marks;
    quotation marks within them are doubled.
    """
    text = text.strip()
    if not text:
        return None
    start = _IN_QUOTES.match(text)
    after = text[start.end() :].lstrip() if start else ""
    if start is not None and after.startswith(":"):
        system, rest = _unquoted(start[0]), after[1:].strip()
    else:
        system, rest = (part.strip() for part in text.partition(":")[::2])
    key, url = rest, None
    if not _IN_QUOTES.fullmatch(rest):
        words, _, last = rest.rpartition(" ")
        if _is_address(last):
            key, url = words.strip(), last
    key = _unquoted(key)
    if not system or not key or _is_address(text):
        raise click.BadParameter(f"{text!r} does not have the form “SYSTEM: KEY [URL]”.")
    return {"system": system, "key": key, "url": url}


def _unquoted(text: str) -> str:
    return text[1:-1].replace('""', '"') if _IN_QUOTES.fullmatch(text) else text


def _is_address(word: str) -> bool:
    return word.lower().startswith(("http://", "https://"))


_IN_QUOTES = re.compile(r'"(?:[^"]|"")+"(?!")')

REFERENCE = click.option(
    "--reference",
    "references",
    multiple=True,
    type=parse_reference,
    metavar="SYSTEM:KEY [URL]",
    help="An identifier in another system, such as the number of a ticket; may be repeated. All others are removed.",
)

OPTIONS = (
    click.option("--severity", metavar="LEVEL", help="The severity: low, medium, high or critical."),
    click.option("--owner", metavar="EMAIL", help="The technician who is responsible for the issue."),
    click.option(
        "--next-update",
        "next_update_at",
        type=parse_due,
        metavar="TIME",
        help="When the next update is due, such as 2026-01-09T16:00; without an offset, in local time.",
    ),
    click.option("--tag", "tags", multiple=True, help="A tag; may be repeated. All others are removed."),
    REFERENCE,
    click.option("--external-key", metavar="KEY", help="A unique key for programs."),
)

GROUP = click.option(
    "--group", "groups", multiple=True, metavar="GROUP", help="The companies of this group; may be repeated."
)
EXCEPT = click.option(
    "--except", "exclude", multiple=True, metavar="COMPANY", help="Omit this company; may be repeated."
)


def field_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of all fields to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def fields(
    tags: tuple[str, ...], references: tuple[dict[str, str | None] | None, ...], **others: str | datetime | None
) -> Fields:
    """Returns the given fields. An empty text clears a field, even if it can have several values. `others` are the
    values of the other options, whose parameters have the names of the fields.
    """
    given = cast(Fields, others)
    if tags:
        given["tags"] = [tag for tag in tags if tag.strip()]
    if references:
        given["references"] = given_references(references)
    return given


def assignment_fields(owner: str | None, references: tuple[dict[str, str | None] | None, ...]) -> AssignmentFields:
    """Returns the given fields of one company in an issue, like `fields`."""
    given = AssignmentFields(owner=owner)
    if references:
        given["references"] = given_references(references)
    return given


def given_references(references: Iterable[dict[str, str | None] | None]) -> list[Mapping[str, str | None]]:
    """Returns references without the empty ones, which clear all."""
    return [reference for reference in references if reference is not None]


def any_given(given: Fields) -> bool:
    """Returns whether there is a field to change."""
    return any(value is not None for value in given.values())
