"""The commands that change nothing: list, show, companies, events, watch, export."""

import itertools
from datetime import datetime
from typing import Any

import click

from issue_tracker_client.itctl.connection import Connection
from issue_tracker_client.itctl.field_options import EXCEPT, GROUP, parse_instant
from issue_tracker_client.itctl.output import as_json_line, as_json_option, event_line, page, rows, show
from issue_tracker_client.models import same_name

DETAILS = click.option(
    "--details", is_flag=True, help="Also the owner, references and start of the outage of each company."
)
ORDERS = ("name", "updated_at", "created_at", "open_count")
LIMIT = click.option("--limit", type=click.IntRange(min=1), help="The maximum number.")


@click.command("list")
@click.option("--search", help="Text in the name or description, in any case.")
@click.option("--status", multiple=True, help="Assignments with this status; may be repeated.")
@click.option("--words", help="Words that must all occur in the name, the description or a company's name.")
@click.option("--company", help="Assignments of this company.")
@GROUP
@EXCEPT
@click.option("--severity", multiple=True, help="Issues of this severity; may be repeated.")
@click.option("--owner", help="Issues of this technician: an email address, `me` or `none`.")
@click.option("--tag", help="Issues with this tag.")
@click.option("--reference", metavar="KEY", help="Issues with this key in another system.")
@click.option("--overdue", is_flag=True, help="Issues whose next update is overdue.")
@click.option("--open", "only_open", is_flag=True, help="Assignments neither resolved nor closed.")
@click.option(
    "--since",
    type=parse_instant,
    metavar="TIME",
    help="Issues changed at or after this time, such as 2026-01-09T16:00; without an offset, in local time.",
)
@click.option(
    "--sort",
    type=click.Choice([*(sign + order for order in ORDERS for sign in ("", "-")), "attention"]),
    default="name",
    show_default=True,
    help="The order; a minus reverses it. open_count: the number of listed open assignments.",
)
@LIMIT
@as_json_option
@click.pass_obj
def list_issues(
    connection: Connection,
    /,
    *,
    status: tuple[str, ...],
    company: str | None,
    groups: tuple[str, ...],
    overdue: bool,
    only_open: bool,
    since: datetime | None,
    limit: int | None,
    json: bool,
    **filters: Any,
) -> None:
    """List issues, one line per company: issue, company, status, last change, separated by tabs."""
    with connection.tracker() as tracker:
        issues = tracker.issues(
            page_size=page_size(limit),
            status=status,
            company_name=company,
            company_group=groups,
            overdue=overdue or None,
            open=only_open or None,
            updated_since=since,
            **filters,
        )
        for issue in itertools.islice(issues, limit):
            show([as_json_line(issue)] if json else rows(issue))


@click.command("show")
@click.argument("issue")
@DETAILS
@as_json_option
@click.pass_obj
def show_issue(connection: Connection, issue: str, details: bool, json: bool) -> None:
    """Show one issue. Its JSON contains an `etag` for `update --if-match`."""
    with connection.tracker() as tracker:
        found = tracker.issue(issue, include="details" if details else None)
    show([as_json_line(found)] if json else page(found))


@click.command("similar")
@click.argument("name")
@LIMIT
@as_json_option
@click.pass_obj
def list_similar(connection: Connection, name: str, limit: int | None, json: bool) -> None:
    """List issues that have, or had, a name like NAME: name, open and all companies, former name, separated by tabs."""
    with connection.tracker() as tracker:
        for issue in tracker.similar_issues(name, limit=limit):
            parts = (issue.name, str(issue.open), str(issue.total), issue.former_name or "")
            show([as_json_line(issue) if json else "\t".join(parts)])


@click.command("export")
@click.pass_obj
def export(connection: Connection) -> None:
    """Print all issues as CSV, which `issue-tracker issue import` reads."""
    with connection.tracker() as tracker:
        show([tracker.export_csv()], end="")


@click.command("companies")
@click.option("--search", help="Text in the name, in any case.")
@as_json_option
@click.pass_obj
def list_companies(connection: Connection, search: str | None, json: bool) -> None:
    """List companies: name and number of open issues, separated by a tab."""
    with connection.tracker() as tracker:
        for company in tracker.companies(search=search):
            show([as_json_line(company) if json else f"{company.name}\t{company.open_issues}"])


@click.command("events")
@click.option("--issue", help="Events of this issue.")
@click.option("--company", help="Events of this company.")
@click.option("--type", "kind", help="Events of this type, such as assignment.status_changed.")
@click.option("--after", type=int, help="Events after the one with this id, oldest first.")
@LIMIT
@as_json_option
@click.pass_obj
def list_events(
    connection: Connection,
    *,
    issue: str | None,
    company: str | None,
    kind: str | None,
    after: int | None,
    limit: int | None,
    json: bool,
) -> None:
    """Print the history, newest first: time, actor, type, issue and company, change, note, separated by tabs."""
    with connection.tracker() as tracker:
        events = tracker.events(
            page_size=page_size(limit), issue_name=issue, company_name=company, type=kind, after=after
        )
        show(as_json_line(event) if json else event_line(event) for event in itertools.islice(events, limit))


class Followed:
    """Recognizes the events about an issue or a company, from the first one with its name on; about any if that is
    None.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._ids: set[int | None] = set()

    def recognizes(self, id_: int | None, *names: str | None) -> bool:
        """Returns whether an event is about it. Later events with the same id are, too, whatever names they contain."""
        if any(same_name(self._name, name) for name in names):
            self._ids.add(id_)
        return self._name is None or id_ in self._ids


@click.command("watch")
@click.option("--issue", help="Only events of this issue.")
@click.option("--company", help="Only events of this company.")
@click.option("--after", type=int, help="Start after the event with this id instead of now.")
@LIMIT
@as_json_option
@click.pass_obj
def watch(
    connection: Connection,
    *,
    issue: str | None,
    company: str | None,
    after: int | None,
    limit: int | None,
    json: bool,
) -> None:
    """Print events as they happen, until interrupted. No event is lost or repeated when the connection breaks.

    An issue or a company that is renamed meanwhile is still found.
    """
    with connection.tracker() as tracker:
        events = tracker.follow(after=after, patience=max(connection.patience, 1.0))
        issues, companies = Followed(issue), Followed(company)
        matching = (
            event
            for event in events
            if issues.recognizes(event.issue_id, event.issue_name, event.from_ if event.field == "name" else None)
            and companies.recognizes(event.company_id, event.company_name)
        )
        show(as_json_line(event) if json else event_line(event) for event in itertools.islice(matching, limit))


def page_size(limit: int | None) -> int:
    """Returns a page size that is not larger than the limit."""
    return min(limit or 100, 500)


READING = (list_issues, show_issue, list_similar, export, list_companies, list_events, watch)
