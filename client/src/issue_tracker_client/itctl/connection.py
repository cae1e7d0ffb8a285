"""The command group and its options: the server, the token, and the limit for retries."""

import os
from dataclasses import dataclass
from pathlib import Path

import click

import issue_tracker_client
from issue_tracker_client.blocking import Tracker
from issue_tracker_client.itctl.output import as_json_line, on_terminal, show
from issue_tracker_client.retrying import ANY_NUMBER, Retries


@dataclass(frozen=True)
class Connection:
    """The options before the command. `tracker` creates the client on demand: `--help` works without a server."""

    url: str | None
    token: str | None
    token_file: Path | None
    patience: float
    verbose: bool

    def tracker(self) -> Tracker:
        """Returns a client. Raises click.UsageError when the server or the token is missing."""
        if not self.url:
            raise click.UsageError("No server is configured. Give --url or set ITCTL_URL.")
        token = secret_in(self.token_file) if self.token_file else self.token
        if not token:
            raise click.UsageError("No token is configured. Set ITCTL_TOKEN_FILE (or --token-file), or ITCTL_TOKEN.")
        return Tracker(
            self.url,
            token=token.strip(),
            retries=Retries(attempts=ANY_NUMBER, patience=self.patience),
            user_agent=f"itctl/{issue_tracker_client.__version__}",
        )

    def report(self, value: object, json: bool, *sentences: str) -> None:
        """Prints the result of a change: `value` as JSON on request, otherwise as sentences if the output is a terminal
        or --verbose is given.
        """
        if json:
            show([as_json_line(value)])
        elif self.verbose or on_terminal():
            show(sentences)


def secret_in(file: Path) -> str:
    """Returns the first line of a file, which may begin with a byte order mark, as PowerShell writes it.

    Raises click.UsageError when it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8-sig").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"The token file {file} cannot be read: {error}.") from error


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 success, 1 refused by the server, 2 wrong usage, 3 server unreachable (try later), "
    "130 interrupted.",
)
@click.option("--url", envvar="ITCTL_URL", help="The server, such as https://tracker.example.org [ITCTL_URL].")
@click.option(
    "--token-file",
    envvar="ITCTL_TOKEN_FILE",
    type=click.Path(path_type=Path),
    help="A file with the API token [ITCTL_TOKEN_FILE]. Without it the token is taken from ITCTL_TOKEN, "
    "never from an option: every user of a machine can read command lines.",
)
@click.option(
    "--patience",
    envvar="ITCTL_PATIENCE",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How many seconds to retry each request while the server is unreachable or busy [ITCTL_PATIENCE].",
)
@click.option("-v", "--verbose", is_flag=True, help="Report changes even if the output is not a terminal.")
@click.version_option(issue_tracker_client.__version__)
@click.pass_context
def itctl(context: click.Context, url: str | None, token_file: Path | None, patience: float, verbose: bool) -> None:
    """Work with the issues of an Issue Tracker.

    Commands that change something print nothing when they succeed, unless on a terminal or with --verbose, so
    that cron has nothing to mail. Statuses: new, investigating, in_progress, monitoring, resolved, closed.
    """
    context.obj = Connection(url, os.environ.get("ITCTL_TOKEN"), token_file, patience, verbose)
