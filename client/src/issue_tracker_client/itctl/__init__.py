"""`itctl`: the Issue Tracker from scripts and cron. Says nothing when all went well and nobody looks on.

Exit codes: 0 done; 1 refused by the server, or not understood, or the output cannot be written; 2 wrong usage,
nothing was sent; 3 the server cannot be reached or cannot answer now (also 429 and 5xx), so it is worth trying
again later; 130 interrupted.
"""

import sys

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
from issue_tracker_client.itctl.output import discard_output, visible
from issue_tracker_client.itctl.reading import READING

REFUSED, USAGE, OUT_OF_REACH, INTERRUPTED = 1, 2, 3, 130

for command in (*READING, *CHANGING):
    itctl.add_command(command)


def main() -> None:
    """The entry point of the script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code; errors go to stderr as one sentence."""
    try:
        unreadable = next((word for word in arguments if not encodable(word)), None)
        if unreadable is not None:
            raise click.UsageError(f"{unreadable!r} is not UTF-8 text.")
        code = itctl.main(arguments, prog_name="itctl", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as nothing_said:
        nothing_said.show()
        return USAGE
    except (click.ClickException, TrackerError) as error:
        complain(sentence(error))
        return exit_code(error)
    except OSError as error:  # the network's and the token file's have their own sentences: this is the output's
        discard_output()
        complain(f"The output cannot be written: {error.strerror or error}.")
        return REFUSED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED


def complain(sentence: str) -> None:
    """Say on stderr what went wrong; nowhere, where that is closed."""
    click.echo(f"itctl: {sentence}", err=True)


def sentence(error: click.ClickException | TrackerError) -> str:
    """What went wrong; for refusals with the id by which the server's operator finds the request."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    trace = f" [request {error.request_id}]" if isinstance(error, Refused) and error.request_id else ""
    return f"{visible(str(error))}{trace}"


def exit_code(error: click.ClickException | TrackerError) -> int:
    if isinstance(error, click.ClickException | Misuse):
        return USAGE
    return OUT_OF_REACH if isinstance(error, Unreachable | Unavailable | TooManyAttempts) else REFUSED


def encodable(word: str) -> bool:
    """Whether the word was valid UTF-8 in the shell; Python smuggles other bytes in as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in word)
