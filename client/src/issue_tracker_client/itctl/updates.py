"""The commands about updates: texts on issues, internal or for customers."""

import itertools
import sys

import click

from issue_tracker_client.itctl.connection import Connection
from issue_tracker_client.itctl.field_options import EXCEPT, GROUP
from issue_tracker_client.itctl.issue_options import BY_KEY, ISSUE, KEY, named_by
from issue_tracker_client.itctl.output import as_json_line, as_json_option, show, update_lines
from issue_tracker_client.itctl.reading import LIMIT, page_size


@click.command("say")
@ISSUE
@BY_KEY
@click.argument("text")
@click.option("--public", is_flag=True, help="Make the update visible to customers; by default it is internal.")
@click.option("--company", "companies", multiple=True, metavar="NAME", help="Only for this company; may be repeated.")
@GROUP
@EXCEPT
@click.option("--status", help="The new status of the companies.")
@KEY
@as_json_option
@click.pass_obj
def say(
    connection: Connection,
    *,
    issue: str,
    by_key: bool,
    text: str,
    public: bool,
    companies: tuple[str, ...],
    groups: tuple[str, ...],
    exclude: tuple[str, ...],
    status: str | None,
    idempotency_key: str | None,
    json: bool,
) -> None:
    """Add an update to an issue: TEXT in Markdown, or `-` for the standard input."""
    text = read_text(text)
    name, key = named_by(issue, by_key)
    with connection.tracker() as tracker:
        added = tracker.add_update(
            name,
            text,
            external_key=key,
            public=public,
            companies=companies or None,
            company_groups=groups or None,
            exclude=exclude,
            status=status,
            idempotency_key=idempotency_key,
        )
    connection.report(added, json, f"{added.issue_name}: update {added.update_id} added")


def read_text(text: str) -> str:
    """Returns the text of an argument, or for `-` the standard input, in UTF-8 with or without a byte order mark.

    Raises click.UsageError if it cannot be read.
    """
    if text != "-":
        return text
    if sys.stdin is None:
        raise click.UsageError("The standard input is closed.")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError("The standard input is not UTF-8 text.") from None
    except OSError as error:
        raise click.UsageError(f"The standard input cannot be read: {error.strerror}.") from None


UPDATE_ID = click.argument("update_id", type=int, metavar="UPDATE")


@click.command("edit")
@UPDATE_ID
@click.argument("text", required=False)
@click.option("--public/--internal", default=None, help="Who may read the update from now on.")
@as_json_option
@click.pass_obj
def edit(connection: Connection, *, update_id: int, text: str | None, public: bool | None, json: bool) -> None:
    """Edit your update with the id UPDATE (`updates --json`): TEXT in Markdown, or `-` for the standard input.

    The history contains the former text.
    """
    if text is None and public is None:
        raise click.UsageError("Nothing to change: give a text, --public or --internal.")
    with connection.tracker() as tracker:
        edited = tracker.edit_update(update_id, body=None if text is None else read_text(text), public=public)
    connection.report(edited, json, f"{edited.issue_name}: update {update_id} edited")


@click.command("withdraw")
@UPDATE_ID
@click.pass_obj
def withdraw(connection: Connection, update_id: int) -> None:
    """Withdraw your update with the id UPDATE. The history contains its text."""
    with connection.tracker() as tracker:
        tracker.withdraw_update(update_id)
    connection.report(None, False, f"update {update_id} withdrawn")


@click.command("updates")
@click.option("--issue", help="Updates on this issue.")
@click.option("--company", help="Updates for this company.")
@click.option("--public/--internal", default=None, help="Only public updates, or only internal ones.")
@LIMIT
@as_json_option
@click.pass_obj
def list_updates(
    connection: Connection,
    *,
    issue: str | None,
    company: str | None,
    public: bool | None,
    limit: int | None,
    json: bool,
) -> None:
    """List updates, newest first: time, author, issue, readers, text, separated by tabs."""
    with connection.tracker() as tracker:
        found = tracker.updates(page_size=page_size(limit), issue_name=issue, company_name=company, public=public)
        for update in itertools.islice(found, limit):
            show([as_json_line(update)] if json else update_lines(update))


UPDATES = (say, edit, withdraw, list_updates)
