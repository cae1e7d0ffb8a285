"""The commands that change something."""

from collections.abc import Callable
from typing import Any, TypedDict, Unpack

import click

from issue_tracker_client.blocking import Tracker
from issue_tracker_client.errors import NotFound
from issue_tracker_client.itctl.connection import Connection
from issue_tracker_client.itctl.field_options import EXCEPT, GROUP, any_given, field_options, fields
from issue_tracker_client.itctl.output import as_json_option, outcome_lines, page, show
from issue_tracker_client.models import Status

NOTE = click.option("--note", help="The reason, for the history (at most 2,000 characters).")
DESCRIPTION = click.option("--description", help="A description of the fault (at most 10,000 characters).")
COMPANY = click.option(
    "--company",
    "companies",
    multiple=True,
    metavar="NAME[=STATUS]",
    help="An affected company, with its status; may be repeated.",
)
KEY = click.option(
    "--idempotency-key",
    metavar="KEY",
    help="Within 24 hours, a second run with this key gets the response of the first one and changes nothing.",
)


ISSUE = click.argument("issue")


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


IF_MATCH = click.option(
    "--if-match", metavar="ETAG", help="Change only this version of the issue; fail if it has changed since."
)


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


@click.command("set")
@ISSUE
@click.argument("company")
@click.argument("status")
@NOTE
@click.option("--create", "create_missing", is_flag=True, help="Create the issue if it does not exist.")
@click.option("--description", help="Only with --create: the description of the new issue.")
@IF_MATCH
@as_json_option
@click.pass_obj
def set_status(
    connection: Connection,
    *,
    issue: str,
    company: str,
    status: str,
    note: str | None,
    create_missing: bool,
    description: str | None,
    if_match: str | None,
    json: bool,
) -> None:
    """Set the status of one company. Assigns the company to the issue if necessary."""
    if description is not None and not create_missing:
        raise click.UsageError("--description needs --create; use `update` to change the description of an issue.")
    with connection.tracker() as tracker:
        try:
            changed = tracker.set_status(issue, company, status, note=note, if_match=if_match)
        except NotFound:
            if not create_missing:
                raise
            # Created together with its company, so that an unknown company leaves no issue behind. Only a change of
            # status can carry a note, so with a note the company starts as new and is changed below.
            first = None if note else status
            tracker.ensure_issue(issue, description=description, companies=[(company, first)])
            changed = tracker.set_status(issue, company, status, note=note)
    connection.report(changed, json, f"{changed.issue_name} / {changed.company_name}: {changed.status}")


@click.command("unassign")
@ISSUE
@click.argument("company")
@IF_MATCH
@click.pass_obj
def unassign(connection: Connection, issue: str, company: str, if_match: str | None) -> None:
    """Remove a company from an issue."""
    with connection.tracker() as tracker:
        tracker.unassign(issue, company, if_match=if_match)
    connection.report(None, False, f"{issue} / {company}: unassigned")


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
@click.argument("into")
@click.option("--dry-run", is_flag=True, help="Change nothing; print the result.")
@KEY
@as_json_option
@click.pass_obj
def merge(
    connection: Connection, *, issue: str, into: str, dry_run: bool, idempotency_key: str | None, json: bool
) -> None:
    """Merge an issue into another one, which remains. The name of the merged issue then leads to the other one."""
    with connection.tracker() as tracker:
        merged = tracker.merge_issues(issue, into, dry_run=dry_run, idempotency_key=idempotency_key)
    if dry_run and not json:
        show(page(merged))
    else:
        connection.report(merged, json, f"{issue}: merged into {merged.name}")


class Bulk(TypedDict):
    """The options that `move` and `resolve` share."""

    only: tuple[str, ...]
    groups: tuple[str, ...]
    exclude: tuple[str, ...]
    from_statuses: tuple[str, ...]
    note: str | None
    dry_run: bool
    idempotency_key: str | None
    if_match: str | None
    if_exists: bool
    json: bool


def bulk_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of Bulk to a command."""
    for option in (
        as_json_option,
        IF_MATCH,
        KEY,
        click.option("--if-exists", is_flag=True, help="Do nothing and succeed if the issue does not exist."),
        click.option("--dry-run", is_flag=True, help="Change nothing; print what would happen to each company."),
        NOTE,
        click.option("--from", "from_statuses", multiple=True, metavar="STATUS", help="Only companies in this status."),
        click.option("--except", "exclude", multiple=True, metavar="COMPANY", help="Skip this company."),
        GROUP,
        click.option("--only", multiple=True, metavar="COMPANY", help="Only this company; assigns it if necessary."),
    ):
        command = option(command)
    return command


@click.command("move")
@ISSUE
@click.argument("status")
@bulk_options
@click.pass_obj
def move(connection: Connection, issue: str, status: str, **options: Unpack[Bulk]) -> None:
    """Set the status of all companies of an issue, either of all or of none.

    --only, --group, --except and --from may be repeated. Closed companies remain closed unless --from closed is given.
    """
    with connection.tracker() as tracker:
        try:
            result = tracker.set_status_in_bulk(
                issue,
                status,
                companies=options["only"] or None,
                company_groups=options["groups"] or None,
                exclude=options["exclude"],
                from_statuses=options["from_statuses"] or None,
                note=options["note"],
                dry_run=options["dry_run"],
                idempotency_key=options["idempotency_key"],
                if_match=options["if_match"],
            )
        except NotFound:
            if options["if_exists"] and not exists(tracker, issue):
                return
            raise
    if options["dry_run"] and not options["json"]:
        show(outcome_lines(result))
    else:
        connection.report(result, options["json"], *outcome_lines(result))


@click.command("resolve")
@ISSUE
@bulk_options
@click.pass_context
def resolve(context: click.Context, issue: str, **options: Unpack[Bulk]) -> None:
    """Resolve an issue for all of its companies. Short for `move ISSUE resolved`."""
    context.invoke(move, issue=issue, status=Status.RESOLVED, **options)


def exists(tracker: Tracker, issue: str) -> bool:
    """Returns whether an issue with this name exists: the 404 to a change may also be about the company."""
    try:
        tracker.issue(issue)
    except NotFound:
        return False
    return True


def named_status(text: str) -> tuple[str, str | None]:
    """Splits NAME or NAME=STATUS into a company and its status, None without one.

    The text after the last `=` is taken for a status only if it is a known one, so that names may contain a `=`.
    """
    name, _, status = text.rpartition("=")
    known = status.strip().lower().replace(" ", "_").replace("-", "_") in list(Status)
    return (name, status) if name and known else (text, None)


CHANGING = (create, update, set_status, unassign, delete, merge, move, resolve)
