"""The input of commands: parsed arguments, and passwords from standard input."""

import getpass
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from issue_tracker.auth.passwords import Password, generate_password, parse_password
from issue_tracker.cli.failures import CommandError
from issue_tracker.names import whole_number

T = TypeVar("T")


class NewFile(click.Path):
    """The path of a file to write. An empty path is refused: it usually comes from a variable that is not set, and
    would mean the current folder. So is `-`, unless the command can write to standard output.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("The name of the file is empty.", param, ctx)
        if value == "-" and not self.allow_dash:
            self.fail("This command cannot write to standard output. Give the name of a file.", param, ctx)
        return super().convert(value, param, ctx)


input_file = click.argument(
    "file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    callback=lambda _context, _argument, path: "/dev/stdin" if path == "-" else path,
)
"""The file that a command reads; `-` is standard input."""

output_file = click.argument(
    "file",
    type=NewFile(dir_okay=False, writable=True, allow_dash=True),
    required=False,
    callback=lambda _context, _argument, path: None if path == "-" else path,
)
"""The file that a command writes; None, which is also `-`, is standard output."""


def parsed(parse: Callable[[str], T], text: str, what: str) -> T:
    """Returns a parsed argument. Raises CommandError, which calls it `what`, if `parse` raises ValueError."""
    try:
        return parse(text)
    except ValueError as refused:
        raise CommandError(f"{what} {refused}.") from None


def parse_day(text: str) -> datetime:
    """Returns the start of a day, in UTC, for an option of this type. Raises click.BadParameter."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise click.BadParameter(f"“{text}” is not a day such as 2027-01-31.") from None


def parse_age(text: str) -> timedelta:
    """Returns an age such as 90d or 36h. Raises ValueError."""
    number, unit = whole_number(text[:-1]) or 0, text[-1:].lower()
    if unit not in ("d", "h") or not 0 < number < 100_000:
        raise ValueError("must be a number of days or hours, such as 90d or 36h")
    return timedelta(days=number) if unit == "d" else timedelta(hours=number)


def password_from(stdin: bool) -> tuple[Password, bool]:
    """Returns the password from standard input, or a generated one, and whether it was generated.

    On a terminal it is entered without echo. Otherwise it is the first line of the input, in UTF-8, with or without a
    byte order mark, which PowerShell writes. Raises CommandError for an unacceptable password.
    """
    if not stdin:
        return Password(generate_password()), True
    text = getpass.getpass("Password: ") if sys.stdin.isatty() else _line_of_input()
    return parsed(parse_password, text, "The password"), False


def _line_of_input() -> str:
    try:
        return sys.stdin.buffer.readline().decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise CommandError("The password on standard input is not UTF-8.") from None
    except OSError as error:
        raise CommandError(f"Standard input: {error.strerror}.") from None
