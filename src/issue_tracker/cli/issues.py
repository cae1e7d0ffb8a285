"""The commands `issue …`."""

from array import array

import click

from issue_tracker.actor import Actor
from issue_tracker.cli import output
from issue_tracker.cli.arguments import input_file, output_file
from issue_tracker.cli.databases import current_actor, database_option, open_database, record_export
from issue_tracker.cli.failures import CommandError
from issue_tracker.companies.queries import find_companies
from issue_tracker.csv_files import BadFile, BadRow
from issue_tracker.database.engine import Database
from issue_tracker.issues import transfer
from issue_tracker.issues.queries.filters import Position
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.transfer import ImportResult, ImportRow
from issue_tracker.names import key

LISTED_AT_ONCE = 10_000
"""Number of issues whose positions one statement reads; positions are small."""

EXPORTED_AT_ONCE = 100
"""Number of issues that are read in one transaction, and held in memory, with all of their assignments."""


@click.group()
def issue() -> None:
    """Import and export issues as CSV."""


@issue.command(name="import")
@database_option
@input_file
@click.option("--skip-bad", is_flag=True, help="Import the good rows of a file that has bad ones.")
@click.option("--notify", is_flag=True, help="Send messages to webhooks.")
def issue_import(database_url: str | None, file: str, skip_bad: bool, notify: bool) -> None:
    """Import issues from a CSV file: columns name, description, company_name, status; one row per assignment.

    Further columns contain the other fields of an issue under their names in the API, such as severity and tags.
    Commas, semicolons or tabs separate the columns, as spreadsheets write them. FILE may be - for standard input.

    The companies of the rows are added to existing issues, with their statuses. If the file has bad rows, they are
    reported with their lines, and nothing is imported, unless you use --skip-bad. Webhooks receive messages only with
    --notify.

    The file is imported in one transaction. On SQLite, nothing else can be changed until it ends; servers respond
    to changes with 503. Reading is always possible. Import large files outside working hours.
    """
    database, actor = open_database(database_url), current_actor()
    result = ImportResult()
    groups = _read(file, result)
    try:
        with database.write() as tx:
            named = {row.company_name for group in groups.values() for row in group if row.company_name}
            companies = find_companies(tx, actor, named)
            transfer.lock_all(tx, actor, groups, companies.values())
            # In the order of names, in which alerts create several issues too, so that the two do not deadlock.
            for name_key in output.progress(sorted(groups), len(groups), "Importing"):
                transfer.import_issue(tx, actor, groups[name_key], companies, result, notify=notify)
            if result.bad and not skip_bad:
                bad = output.number_of(len(result.bad), "bad row")
                raise CommandError(f"Nothing was imported: {bad}. Correct the file, or use --skip-bad.")
    finally:
        output.report_bad_rows(file, sorted(result.bad, key=lambda row: row.line))
    output.warn_of_look_alikes(file, sorted(result.look_alikes))
    created = output.number_of(result.issues_created, "issue")
    rows = output.number_of(result.rows, "row")
    click.echo(f"{created} created, {result.issues_existing} already existed; {rows} imported.")


def _read(path: str, result: ImportResult) -> dict[str, list[ImportRow]]:
    """Returns the rows of a file by the look-up keys of their issues; adds bad rows to the result."""
    groups: dict[str, list[ImportRow]] = {}
    try:
        for row in transfer.read_rows(path):
            if isinstance(row, BadRow):
                result.bad.append(row)
            else:
                groups.setdefault(key(row.name), []).append(row)
    except BadFile as error:
        raise CommandError(f"{path}: {error}") from None
    return groups


@issue.command(name="export")
@database_option
@output_file
def issue_export(database_url: str | None, file: str | None) -> None:
    """Export all issues as CSV, to FILE or to standard output. `issue import` reads the file back.

    A FILE that exists is replaced when the export is complete, and remains unchanged until then.
    """
    database, actor = open_database(database_url), current_actor()
    issue_ids = _issue_ids(database, actor)
    record_export(database, "all issues as CSV" + (f", into {file}" if file else ""))
    with output.destination(file) as out:
        out.write(transfer.header())
        for start in range(0, len(issue_ids), EXPORTED_AT_ONCE):
            # Writing may block for as long as the reader of the output does, so no transaction is open meanwhile.
            with database.read(in_bulk=True) as tx:
                issues = IssueList(tx, actor).load_by_id(issue_ids[start : start + EXPORTED_AT_ONCE])
            out.write(transfer.rows(issues))


def _issue_ids(database: Database, actor: Actor) -> "array[int]":
    """Returns the ids of all issues in the order of their names, in one snapshot.

    An issue that is renamed during the export is therefore neither omitted nor exported twice.
    """
    found = array("q")
    after: Position | None = None
    with database.read(in_bulk=True) as tx:
        while rows := IssueList(tx, actor, after=after).rows(LISTED_AT_ONCE):
            found.extend(row.issue_id for row in rows)
            after = rows[-1].position
    return found
