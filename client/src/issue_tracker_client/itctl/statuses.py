"""The commands that change the status of companies in an issue."""

from collections.abc import Callable
from typing import TypedDict, Unpack

import click

from issue_tracker_client.blocking import Tracker
from issue_tracker_client.errors import NotFound
from issue_tracker_client.itctl.connection import Connection
from issue_tracker_client.itctl.field_options import GROUP, REFERENCE, assignment_fields
from issue_tracker_client.itctl.issue_options import BY_KEY, IF_MATCH, ISSUE, KEY, NOTE, named_by
from issue_tracker_client.itctl.output import as_json_option, outcome_lines, show
from issue_tracker_client.models import Status


@click.command("set")
@ISSUE
@BY_KEY
@click.argument("company")
@click.argument("status")
@NOTE
@click.option("--owner", metavar="EMAIL", help="The technician who takes care of this company.")
@REFERENCE
@click.option("--create", "create_missing", is_flag=True, help="Create the issue if it does not exist.")
@click.option("--description", help="Only with --create: the description of the new issue.")
@IF_MATCH
@as_json_option
@click.pass_obj
def set_status(
    connection: Connection,
    *,
    issue: str,
    by_key: bool,
    company: str,
    status: str,
    note: str | None,
    owner: str | None,
    references: tuple[dict[str, str | None] | None, ...],
    create_missing: bool,
    description: str | None,
    if_match: str | None,
    json: bool,
) -> None:
    """Set the status of one company, and assign the company to the issue if necessary.

    --owner and --reference belong to this company in the issue; an empty text clears them. A note needs a change of the
    status: if --create creates the issue with the status new, it is not recorded, and a message says so.
    """
    if by_key and create_missing:
        raise click.UsageError("--create needs the name of the issue; omit --by-key.")
    if description is not None and not create_missing:
        raise click.UsageError("--description needs --create; use `update` to change the description of an issue.")
    name, key = named_by(issue, by_key)
    given = assignment_fields(owner, references)
    with connection.tracker() as tracker:
        try:
            changed = tracker.set_status(name, company, status, note=note, external_key=key, if_match=if_match, **given)
        except NotFound:
            if not create_missing:
                raise
            # Created together with its company, so that an unknown company leaves no issue behind. Only a change of
            # status can carry a note, so with a note the company starts as new and is changed below.
            first = None if note else status
            found = tracker.ensure_issue(issue, description=description, companies=[(company, first)])
            # An issue that had the name before has another one now.
            changed = tracker.set_status(found.name, company, status, note=note, **given)
            before = found.assignment(changed.company_name)
            if note and before is not None and before.status == changed.status:
                click.echo(f"itctl: The note was not recorded: the company starts as {before.status}.", err=True)
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


class Bulk(TypedDict):
    """The options that `move` and `resolve` share."""

    by_key: bool
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
        BY_KEY,
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
        name, key = named_by(issue, options["by_key"])
        try:
            result = tracker.set_status_in_bulk(
                name,
                status,
                external_key=key,
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
            if options["if_exists"] and not exists(tracker, name, key):
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


def exists(tracker: Tracker, name: str | None, external_key: str | None) -> bool:
    """Returns whether this issue exists: the 404 to a change may also be about the company."""
    try:
        if name is not None:
            tracker.issue(name)
        else:
            # No path contains external keys. A bulk change without companies finds the issue, and changes nothing.
            tracker.set_status_in_bulk(None, Status.NEW, companies=(), external_key=external_key, dry_run=True)
    except NotFound:
        return False
    return True


STATUSES = (set_status, unassign, move, resolve)
