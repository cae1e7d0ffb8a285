"""What itctl prints: lines, with tabs between columns (no name has one), or JSON, one object a line."""

import errno
import os
import re
import sys
from collections.abc import Iterable
from datetime import datetime

import click

from issue_tracker_client.models import Assignment, BulkResult, Event, Issue, as_json

as_json_option = click.option("--json", "json", is_flag=True, help="Print JSON, one object a line.")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # C0, DEL and C1


def show(lines: Iterable[str], end: str = "\n") -> None:
    """Print each line as soon as it is there: who reads a pipe from `watch` waits for it.

    A reader that has enough (`itctl list | head -1`) ends the command, and well. Raises OSError where else the
    output cannot be written: a full disk, a standard output that was closed from the start.
    """
    for line in lines:
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        try:
            print(line, end=end, flush=True)
        except BrokenPipeError:
            discard_output()
            raise click.exceptions.Exit(0) from None


def discard_output() -> None:
    """Let what is still to be written go nowhere, so that Python does not fail once more at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def on_terminal() -> bool:
    """Whether anybody looks on. A standard output that was closed (`>&-`) is none at all."""
    return sys.stdout is not None and sys.stdout.isatty()


def visible(text: str) -> str:
    """The text with its control characters escaped: they would steer the terminal, or break a row in two."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def as_json_line(value: object) -> str:
    """The value as JSON, with those control characters escaped that JSON lets stand."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", as_json(value))


def rows(issue: Issue) -> list[str]:
    """A row an assignment: issue, company, status, last change. An issue without any has empty columns."""
    return ["\t".join((issue.name, *columns(one))) for one in issue.assignments] or [
        "\t".join((issue.name, "", "", instant(issue.updated_at)))
    ]


def columns(assignment: Assignment) -> tuple[str, str, str]:
    return assignment.company_name, assignment.status, instant(assignment.updated_at)


def page(issue: Issue) -> list[str]:
    """One issue to be read by a person."""
    description = re.split("\r?\n", issue.description) if issue.description else []
    width = max((len(one.company_name) for one in issue.assignments), default=0)
    return [
        issue.name,
        *(visible(line) for line in description),
        f"created {instant(issue.created_at)}, changed {instant(issue.updated_at)}",
        *(
            f"  {one.company_name:{width}}  {one.status_label:13}  {instant(one.updated_at)}"
            for one in issue.assignments
        ),
    ]


def story(event: Event) -> str:
    """One event as a line: when, who, what, where, and why."""
    where = " / ".join(name for name in (event.issue_name, event.company_name) if name)
    change = f"{plain(event.from_)} -> {plain(event.to)}" if event.from_ is not None else plain(event.to)
    parts = (instant(event.at), event.actor.name or event.actor.channel, event.type, where, change)
    return "\t".join(visible(part) for part in (*parts, event.note or ""))


def plain(value: object) -> str:
    """A from or to of an event: a status as it is, anything richer as JSON, nothing as nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else as_json_line(value)


def outcome_lines(result: BulkResult) -> list[str]:
    """A line a company: what bulk did, or would do."""
    return ["\t".join((one.outcome, one.company_name, one.from_ or "", one.to or "")) for one in result.results]


def instant(at: datetime) -> str:
    """A time for people in their own zone, for programs in UTC."""
    return at.astimezone().isoformat(" ", "minutes") if on_terminal() else at.isoformat()
