"""The only place where the failure of a command is turned into one sentence on stderr.

A command raises what the operations, the database driver and the system raise. No error that a user can cause leads to
a traceback; only a defect of the program does.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.cli import output
from issue_tracker.errors import AppError, Unavailable
from issue_tracker.settings import SettingsError


class CommandError(Exception):
    """A command cannot do what was requested; the message is one sentence."""


class Commands(click.Group):
    """The group of all commands. Its `main` exits with 0 (success), 1 (refused) or 2 (wrong usage)."""

    def main(  # type: ignore[override]  # click declares one signature for each standalone mode
        self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        output.prepare_streams()
        try:
            code = super().main(args, standalone_mode=False, **extra)
        except click.ClickException as error:
            with suppress(OSError):
                error.show()
            code = error.exit_code
        except click.Abort:
            _print_error("Aborted!")
            code = 1
        except Exception as error:
            sentence = describe(error)
            if sentence is None:
                raise
            _print_error(f"issue-tracker: {sentence}")
            code = 1
        finally:
            output.discard()
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        with _read_enough():  # `--help` and `--version` print here
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _read_enough():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result


@contextmanager
def _read_enough() -> Iterator[None]:
    """Makes a reader that has read enough (`issue export | head`) end the command; that is not a failure."""
    try:
        yield
    except BrokenPipeError:
        output.discard()
        raise click.exceptions.Exit(0) from None


def _print_error(text: str) -> None:
    with suppress(OSError):
        click.echo(text, err=True)


def describe(error: Exception) -> str | None:
    """Returns the sentence for a failure that a user can cause or fix; None for a defect of the program."""
    if isinstance(error, (CommandError, SettingsError)):
        return str(error)
    if isinstance(error, Unavailable) and error.reason is not None:
        return f"The database cannot be used: {error.reason}."
    if isinstance(error, SQLAlchemyError) or _from_driver(error):
        return f"The database cannot be used: {_line(getattr(error, 'orig', None) or error)}."
    if isinstance(error, AppError):
        return error.detail
    if isinstance(error, OSError):
        return f"{os.fsdecode(error.filename or 'The system')}: {error.strerror or error}."
    if isinstance(error, UnicodeError):
        return "An argument, a setting or the input is not valid Unicode text."
    return None


def _from_driver(error: BaseException) -> bool:
    """Returns whether a database driver raised the error. psycopg is loaded only if PostgreSQL is used."""
    psycopg = sys.modules.get("psycopg")
    return isinstance(error, sqlite3.Error) or (psycopg is not None and isinstance(error, psycopg.Error))


def _line(error: BaseException) -> str:
    """Returns the first line of the driver's message, without a full stop, and PostgreSQL's hint in parentheses."""
    diagnosis = getattr(error, "diag", None)
    text = (diagnosis and diagnosis.message_primary) or (str(error.args[0]) if error.args else str(error))
    line = " ".join(next(iter(text.strip().splitlines()), type(error).__name__).split()).rstrip(".")
    hint = diagnosis and diagnosis.message_hint
    return f"{line} ({' '.join(hint.split()).rstrip('.')})" if hint else line
