"""The commands about updates: texts on issues, internal or for customers."""

import itertools
import sys

import click

from issue_tracker_client.itctl.changing import ISSUE, KEY
from issue_tracker_client.itctl.connection import Connection
from issue_tracker_client.itctl.field_options import EXCEPT, GROUP
from issue_tracker_client.itctl.output import as_json_line, as_json_option, show, update_lines
from issue_tracker_client.itctl.reading import LIMIT, page_size


@click.command("say")
@ISSUE
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
    if text == "-":
        text = sys.stdin.read()
    with connection.tracker() as tracker:
        added = tracker.add_update(
            issue,
            text,
            public=public,
            companies=companies or None,
            company_groups=groups or None,
            exclude=exclude,
            status=status,
            idempotency_key=idempotency_key,
        )
    connection.report(added, json, f"{added.issue_name}: update {added.update_id} added")


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


SAYING = (say, list_updates)
