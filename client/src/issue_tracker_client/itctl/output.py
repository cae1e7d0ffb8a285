"""The output of itctl: columns separated by tabs (no name contains one), or one JSON object per line."""

import errno
import io
import os
import re
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import TextIO

import click

from issue_tracker_client.fields import Fields
from issue_tracker_client.models import Assignment, BulkResult, Event, Issue, Owner, Reference, Update, as_json

as_json_option = click.option("--json", "json", is_flag=True, help="Print JSON, one object per line.")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # C0, DEL and C1


def use_utf_8() -> None:
    """Makes the output UTF-8 in every locale: names of all languages are in one list, and programs read it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def show(lines: Iterable[str], end: str = "\n") -> None:
    """Prints each line immediately: the reader of a pipe from `watch` waits for it.

    A reader that stops early (`itctl list | head -1`) ends the command successfully. Raises OSError when the output
    cannot be written for another reason: a full disk, or a standard output that was closed from the start.
    """
    for line in lines:
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        try:
            print(line, end=end, flush=True)
        except BrokenPipeError:
            discard_output(sys.stdout)
            raise click.exceptions.Exit(0) from None


def discard_output(stream: TextIO | None) -> None:
    """Redirects what is still buffered in a stream to the null device, so that Python does not fail again at exit."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def on_terminal() -> bool:
    """Returns whether the output is a terminal. It is None if it was closed (`>&-`)."""
    return sys.stdout is not None and sys.stdout.isatty()


def visible(text: str) -> str:
    """Returns the text with its control characters escaped: they could control the terminal or split a row."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def as_json_line(value: object) -> str:
    """Returns the value as JSON, in which the control characters that JSON allows are escaped too."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", as_json(value))


def rows(issue: Issue) -> list[str]:
    """Returns a row per assignment: issue, company, status, last change. Without any, a row with empty columns."""
    return ["\t".join((issue.name, *columns(one))) for one in issue.assignments] or [
        "\t".join((issue.name, "", "", instant(issue.updated_at)))
    ]


def columns(assignment: Assignment) -> tuple[str, str, str]:
    """Returns company, status and last change of an assignment."""
    return assignment.company_name, assignment.status, instant(assignment.updated_at)


def page(issue: Issue) -> list[str]:
    """Returns the lines that show one issue to a person."""
    description = re.split("\r?\n", issue.description) if issue.description else []
    width = max((len(one.company_name) for one in issue.assignments), default=0)
    return [
        issue.name,
        *(visible(line) for line in description),
        f"created {instant(issue.created_at)}, changed {instant(issue.updated_at)}",
        *field_lines(issue),
        *(
            f"  {one.company_name:{width}}  {one.status_label:13}  {instant(one.updated_at)}{details(one)}"
            for one in issue.assignments
        ),
    ]


def details(assignment: Assignment) -> str:
    """Returns the owner and the references of an assignment, each after two spaces; empty without them."""
    found = (assignment.owner and assignment.owner.name, reference_text(assignment.references))
    return "".join(f"  {visible(text)}" for text in found if text)


def reference_text(references: Iterable[Reference]) -> str:
    """Returns references on one line."""
    return "; ".join(" ".join(filter(None, (f"{one.system}: {one.key}", one.url))) for one in references)


def field_lines(issue: Issue) -> list[str]:
    """Returns a line for each field of an issue that has a value."""
    found = {name.removesuffix("_at").replace("_", " "): getattr(issue, name) for name in Fields.__annotations__}
    return [f"{name}: {visible(field_text(value))}" for name, value in found.items() if value]


def field_text(value: str | Owner | datetime | tuple[str, ...] | tuple[Reference, ...]) -> str:
    """Returns the value of a field on one line."""
    if isinstance(value, Owner):
        return value.name
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, str):
        return value
    references = [one for one in value if isinstance(one, Reference)]
    return reference_text(references) if references else ", ".join(str(tag) for tag in value)


def event_line(event: Event) -> str:
    """Returns an event as one line: time, actor, type, issue and company, change, note."""
    where = " / ".join(name for name in (event.issue_name, event.company_name) if name)
    change = f"{plain(event.from_)} -> {plain(event.to)}" if event.from_ is not None else plain(event.to)
    parts = (instant(event.at), event.actor.name or event.actor.channel, event.type, where, change)
    return "\t".join(visible(part) for part in (*parts, event.note or ""))


def update_lines(update: Update) -> list[str]:
    """Returns an update as one line: time, author, issue, its readers, its text."""
    readers = "public" if update.public else "internal"
    parts = (instant(update.at), update.actor.name or update.actor.channel, update.issue_name, readers, update.body)
    return ["\t".join(visible(part) for part in parts)]


def plain(value: object) -> str:
    """Returns the text of an event's `from` or `to`: empty for None, JSON for anything but a string."""
    if value is None:
        return ""
    return value if isinstance(value, str) else as_json_line(value)


def outcome_lines(result: BulkResult) -> list[str]:
    """Returns a line per company: what a bulk change did, or would do."""
    return ["\t".join((one.outcome, one.company_name, one.from_ or "", one.to or "")) for one in result.results]


def instant(at: datetime) -> str:
    """Returns a time in the local time zone on a terminal, in UTC for programs."""
    return at.astimezone().isoformat(" ", "minutes") if on_terminal() else at.isoformat()
