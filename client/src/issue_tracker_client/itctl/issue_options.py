"""The options that commands about an issue share."""

import click

KEY = click.option(
    "--idempotency-key",
    metavar="KEY",
    help="Within 24 hours, a second run with this key gets the response of the first one and changes nothing.",
)
ISSUE = click.argument("issue")
BY_KEY = click.option("--by-key", is_flag=True, help="ISSUE is the external key of the issue instead of its name.")
NOTE = click.option("--note", help="The reason, for the history (at most 2,000 characters).")
IF_MATCH = click.option(
    "--if-match", metavar="ETAG", help="Change only this version of the issue; fail if it has changed since."
)


def named_by(issue: str, by_key: bool) -> tuple[str | None, str | None]:
    """Returns the name and the external key of an issue for the client, of which one is None."""
    return (None, issue) if by_key else (issue, None)
