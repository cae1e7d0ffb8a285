"""The commands that create, change, delete and merge issues."""

from typing import Any

import click

from issue_tracker_client.itctl.connection import Connection
from issue_tracker_client.itctl.field_options import EXCEPT, GROUP, any_given, field_options, fields
from issue_tracker_client.itctl.issue_options import BY_KEY, IF_MATCH, ISSUE, KEY, named_by
from issue_tracker_client.itctl.output import as_json_option, page, show
from issue_tracker_client.models import Status

DESCRIPTION = click.option("--description", help="A description of the fault (at most 10,000 characters).")
COMPANY = click.option(
    "--company",
    "companies",
    multiple=True,
    metavar="NAME[=STATUS]",
    help="An affected company, with its status; may be repeated.",
)


@click.command("create")
@ISSUE
@DESCRIPTION
@COMPANY
@GROUP
@EXCEPT
@field_options
@KEY
@as_json_option
@click.pass_obj
def create(
    connection: Connection,
    /,
    *,
    issue: str,
    description: str | None,
    companies: tuple[str, ...],
    groups: tuple[str, ...],
    exclude: tuple[str, ...],
    idempotency_key: str | None,
    json: bool,
    **given: Any,
) -> None:
    """Create an issue. This fails if the name is taken; `set --create` does not."""
    with connection.tracker() as tracker:
        created = tracker.create_issue(
            issue,
            description=description,
            companies=[named_status(company) for company in companies],
            company_groups=groups,
            exclude=exclude,
            idempotency_key=idempotency_key,
            **fields(**given),
        )
    connection.report(created, json, f"{created.name}: created, {len(created.assignments)} companies")


@click.command("update")
@ISSUE
@DESCRIPTION
@click.option("--rename", "new_name", metavar="NAME", help="The issue's new name.")
@COMPANY
@GROUP
@EXCEPT
@field_options
@IF_MATCH
@as_json_option
@click.pass_obj
def update(
    connection: Connection,
    /,
    *,
    issue: str,
    description: str | None,
    new_name: str | None,
    companies: tuple[str, ...],
    groups: tuple[str, ...],
    exclude: tuple[str, ...],
    if_match: str | None,
    json: bool,
    **given: Any,
) -> None:
    """Change an issue's name, description or fields, or add companies. An empty text clears a field."""
    changes = fields(**given)
    if description is None and new_name is None and not companies and not groups and not any_given(changes):
        raise click.UsageError("Nothing to change: give --description, --rename, --company, --group or a field.")
    with connection.tracker() as tracker:
        changed = tracker.update_issue(
            issue,
            description=description,
            new_name=new_name,
            add_companies=[named_status(company) for company in companies],
            company_groups=groups,
            exclude=exclude,
            if_match=if_match,
            **changes,
        )
    connection.report(changed, json, f"{changed.name}: updated")


@click.command("delete")
@ISSUE
@click.pass_obj
def delete(connection: Connection, issue: str) -> None:
    """Delete an issue (super admins only). Its history remains."""
    with connection.tracker() as tracker:
        tracker.delete_issue(issue)
    connection.report(None, False, f"{issue}: deleted")


@click.command("merge")
@ISSUE
@BY_KEY
@click.argument("into")
@click.option("--dry-run", is_flag=True, help="Change nothing; print the result.")
@KEY
@as_json_option
@click.pass_obj
def merge(
    connection: Connection,
    *,
    issue: str,
    by_key: bool,
    into: str,
    dry_run: bool,
    idempotency_key: str | None,
    json: bool,
) -> None:
    """Merge an issue into another one, which remains. The name of the merged issue then leads to the other one."""
    with connection.tracker() as tracker:
        name, key = named_by(issue, by_key)
        merged = tracker.merge_issues(name, into, external_key=key, dry_run=dry_run, idempotency_key=idempotency_key)
    if dry_run and not json:
        show(page(merged))
    else:
        connection.report(merged, json, f"{issue}: merged into {merged.name}")


def named_status(text: str) -> tuple[str, str | None]:
    """Splits NAME or NAME=STATUS into a company and its status, None without one.

    The text after the last `=` is taken for a status only if it is a known one, so that names may contain a `=`.
    """
    name, _, status = text.rpartition("=")
    known = status.strip().lower().replace(" ", "_").replace("-", "_") in list(Status)
    return (name, status) if name and known else (text, None)


CHANGING = (create, update, delete, merge)
