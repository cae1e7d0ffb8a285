"""`itctl`: the Issue Tracker for scripts and cron. A change that succeeds prints nothing unless on a terminal.

Exit codes: 0 success; 1 refused by the server, an unexpected response, or the output cannot be written; 2 wrong
usage, nothing was sent; 3 the server cannot be reached or is too busy (also 429 and 5xx), so a later attempt may
succeed; 130 interrupted.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from issue_tracker_client.errors import (
    Misuse,
    Refused,
    TooManyAttempts,
    TrackerError,
    Unavailable,
    Unreachable,
)
from issue_tracker_client.itctl.changing import CHANGING
from issue_tracker_client.itctl.connection import itctl
from issue_tracker_client.itctl.monitoring import MONITORING
from issue_tracker_client.itctl.output import discard_output, use_utf_8, visible
from issue_tracker_client.itctl.reading import READING
from issue_tracker_client.itctl.statuses import STATUSES
from issue_tracker_client.itctl.updates import UPDATES

REFUSED, USAGE, OUT_OF_REACH, INTERRUPTED = 1, 2, 3, 130

for command in (*READING, *CHANGING, *STATUSES, *UPDATES, *MONITORING):
    itctl.add_command(command)


def main() -> None:
    """The entry point of the script."""
    gc.freeze()  # otherwise the collections at the end examine all modules, a quarter of the time of a short command
    use_utf_8()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code. An error is printed to stderr as one sentence."""
    try:
        unreadable = next((word for word in arguments if not encodable(word)), None)
        if unreadable is not None:
            raise click.UsageError(f"{unreadable!r} is not UTF-8 text.")
        code = itctl.main(arguments, prog_name="itctl", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as no_arguments:
        with reported():
            no_arguments.show()
        return USAGE
    except (click.ClickException, TrackerError) as error:
        print_error(sentence(error))
        return exit_code(error)
    except OSError as error:  # other errors have been converted: this one is the output's
        discard_output(sys.stdout)
        print_error(f"The output cannot be written: {error.strerror or error}.")
        return REFUSED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED


def print_error(sentence: str) -> None:
    """Prints an error to stderr."""
    with reported():
        click.echo(f"itctl: {sentence}", err=True)


@contextmanager
def reported() -> Iterator[None]:
    """Surrounds writing to stderr: if it is closed or full, the exit code alone tells what has happened."""
    try:
        yield
    except OSError:
        discard_output(sys.stderr)


def sentence(error: click.ClickException | TrackerError) -> str:
    """Returns the text of an error; for a refusal with the id by which the server's operator finds the request."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    trace = f" [request {error.request_id}]" if isinstance(error, Refused) and error.request_id else ""
    return f"{visible(str(error))}{trace}"


def exit_code(error: click.ClickException | TrackerError) -> int:
    """Returns the exit code for an error."""
    if isinstance(error, click.ClickException | Misuse):
        return USAGE
    return OUT_OF_REACH if isinstance(error, Unreachable | Unavailable | TooManyAttempts) else REFUSED


def encodable(word: str) -> bool:
    """Returns whether the word was valid UTF-8 in the shell. Python represents other bytes as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in word)
