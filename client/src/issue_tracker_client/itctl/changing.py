"""The commands that change something."""

from collections.abc import Callable
from typing import TypedDict, Unpack

import click

from issue_tracker_client.blocking import Tracker
from issue_tracker_client.errors import NotFound
from issue_tracker_client.itctl.connection import Connection
from issue_tracker_client.itctl.output import as_json_option, outcome_lines, show
from issue_tracker_client.models import Status

NOTE = click.option("--note", help="Why; kept in the history (at most 2,000 characters).")
DESCRIPTION = click.option("--description", help="What is wrong (at most 10,000 characters).")
COMPANY = click.option(
    "--company",
    "companies",
    multiple=True,
    metavar="NAME[=STATUS]",
    help="A company that is affected, with its status; may be repeated.",
)
KEY = click.option(
    "--idempotency-key",
    metavar="KEY",
    help="A second run with this key, within 24 hours, gets the first one's answer and does nothing.",
)


ISSUE = click.argument("issue")


@click.command("create")
@ISSUE
@DESCRIPTION
@COMPANY
@KEY
@as_json_option
@click.pass_obj
def create(
    connection: Connection,
    *,
    issue: str,
    description: str | None,
    companies: tuple[str, ...],
    idempotency_key: str | None,
    json: bool,
) -> None:
    """Create an issue. Refused if the name is taken; `set --create` is not."""
    with connection.tracker() as tracker:
        made = tracker.create_issue(
            issue,
            description=description,
            companies=[named_status(company) for company in companies],
            idempotency_key=idempotency_key,
        )
    connection.report(made, json, f"{made.name}: created, {len(made.assignments)} companies")


@click.command("update")
@ISSUE
@DESCRIPTION
@click.option("--rename", "new_name", metavar="NAME", help="The issue's new name.")
@COMPANY
@click.option("--if-match", metavar="ETAG", help="Only this version of the issue; refused if it changed since.")
@as_json_option
@click.pass_obj
def update(
    connection: Connection,
    *,
    issue: str,
    description: str | None,
    new_name: str | None,
    companies: tuple[str, ...],
    if_match: str | None,
    json: bool,
) -> None:
    """Change an issue's description (empty clears it) or name, or add companies."""
    if description is None and new_name is None and not companies:
        raise click.UsageError("Nothing to change: give --description, --rename or --company.")
    with connection.tracker() as tracker:
        changed = tracker.update_issue(
            issue,
            description=description,
            new_name=new_name,
            add_companies=[named_status(company) for company in companies],
            if_match=if_match,
        )
    connection.report(changed, json, f"{changed.name}: updated")


@click.command("set")
@ISSUE
@click.argument("company")
@click.argument("status")
@NOTE
@click.option("--create", "create_missing", is_flag=True, help="Create the issue if there is none of this name.")
@click.option("--description", help="Only with --create: the description of an issue that is created.")
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
    json: bool,
) -> None:
    """Set the status of one company, assigning it if it was not."""
    if description is not None and not create_missing:
        raise click.UsageError("--description goes with --create; `update` changes that of an issue.")
    with connection.tracker() as tracker:
        try:
            done = tracker.set_status(issue, company, status, note=note)
        except NotFound:
            if not create_missing:
                raise
            # With its company, so that an unknown one leaves no issue behind; the change of status brings the note.
            first = None if note else status
            tracker.ensure_issue(issue, description=description, companies=[(company, first)])
            done = tracker.set_status(issue, company, status, note=note)
    connection.report(done, json, f"{done.issue_name} / {done.company_name}: {done.status}")


@click.command("unassign")
@ISSUE
@click.argument("company")
@click.pass_obj
def unassign(connection: Connection, issue: str, company: str) -> None:
    """Take a company off an issue."""
    with connection.tracker() as tracker:
        tracker.unassign(issue, company)
    connection.report(None, False, f"{issue} / {company}: unassigned")


@click.command("delete")
@ISSUE
@click.pass_obj
def delete(connection: Connection, issue: str) -> None:
    """Delete an issue (super admins only). Its history stays."""
    with connection.tracker() as tracker:
        tracker.delete_issue(issue)
    connection.report(None, False, f"{issue}: deleted")


class Bulk(TypedDict):
    """The options that `move` and `resolve` share."""

    only: tuple[str, ...]
    exclude: tuple[str, ...]
    from_statuses: tuple[str, ...]
    note: str | None
    dry_run: bool
    idempotency_key: str | None
    if_exists: bool
    json: bool


def bulk_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of Bulk to a command."""
    for option in (
        as_json_option,
        KEY,
        click.option("--if-exists", is_flag=True, help="Do nothing, and well, where there is no such issue."),
        click.option("--dry-run", is_flag=True, help="Change nothing; print what would happen, by company."),
        NOTE,
        click.option("--from", "from_statuses", multiple=True, metavar="STATUS", help="Only those in this status."),
        click.option("--except", "exclude", multiple=True, metavar="COMPANY", help="Not this company."),
        click.option("--only", multiple=True, metavar="COMPANY", help="Only this company, assigned if it was not."),
    ):
        command = option(command)
    return command


@click.command("move")
@ISSUE
@click.argument("status")
@bulk_options
@click.pass_obj
def move(connection: Connection, issue: str, status: str, **options: Unpack[Bulk]) -> None:
    """Set the status of all companies of an issue, all or nothing.

    --only, --except and --from may be repeated. Closed ones stay closed unless --from names closed.
    """
    with connection.tracker() as tracker:
        try:
            result = tracker.set_status_in_bulk(
                issue,
                status,
                companies=options["only"] or None,
                exclude=options["exclude"],
                from_statuses=options["from_statuses"] or None,
                note=options["note"],
                dry_run=options["dry_run"],
                idempotency_key=options["idempotency_key"],
            )
        except NotFound:
            if options["if_exists"] and not there_is(tracker, issue):
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
    """Resolve an issue for all of its companies: short for `move ISSUE resolved`."""
    context.invoke(move, issue=issue, status=Status.RESOLVED, **options)


def there_is(tracker: Tracker, issue: str) -> bool:
    """Whether there is an issue of this name: a 404 to a change may speak of its company."""
    try:
        tracker.issue(issue)
    except NotFound:
        return False
    return True


def named_status(text: str) -> tuple[str, str | None]:
    """A company and its status from NAME or NAME=STATUS. What follows the last `=` is a status only if it
    is one, so names with a `=` work too.
    """
    name, _, status = text.rpartition("=")
    known = status.strip().lower().replace(" ", "_").replace("-", "_") in list(Status)
    return (name, status) if name and known else (text, None)


CHANGING = (create, update, set_status, unassign, delete, move, resolve)
