"""The commands `company …`."""

import csv

import click
import msgspec

from issue_tracker import csv_files
from issue_tracker.cli import output
from issue_tracker.cli.arguments import input_file, output_file, parsed
from issue_tracker.cli.databases import current_actor, database_option, open_database, record_export
from issue_tracker.cli.failures import CommandError
from issue_tracker.companies.operations import create_company, create_missing_companies, update_company
from issue_tracker.companies.queries import find_companies, list_companies, lock_companies, names_like
from issue_tracker.csv_files import BadFile, BadRow, CsvRow, defuse, restore
from issue_tracker.looks import illegible
from issue_tracker.names import Name, key, parse_name

COLUMNS = ("name", "archived")
YES = "yes"


@click.group()
def company() -> None:
    """Add, list, import and export companies."""


@company.command(name="add")
@database_option
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
def company_add(database_url: str | None, names: tuple[str, ...]) -> None:
    """Add companies: all of them, or none."""
    wanted = [parsed(parse_name, name, f"“{name}”") for name in names]
    with open_database(database_url).write() as tx:
        for name in sorted(wanted, key=key):  # in one order, so that two commands do not deadlock
            similar = names_like(tx, current_actor(), create_company(tx, current_actor(), name))
            if similar:
                click.echo(f"“{name}” looks like “{similar[0]}”.", err=True)
    click.echo(f"Added {len(wanted)}.")


@company.command(name="list")
@database_option
@click.option("--archived", is_flag=True, help="Include archived companies.")
def company_list(database_url: str | None, archived: bool) -> None:
    """List companies by name: the name and the number of open issues, separated by a tab."""
    with open_database(database_url).read() as tx:
        found = list_companies(tx, current_actor(), include_archived=archived)
    for one in found:
        click.echo(f"{one.name}\t{one.open_issues}")


@company.command(name="import")
@database_option
@input_file
@click.option("--archive", is_flag=True, help="Archive the companies whose column `archived` is yes.")
def company_import(database_url: str | None, file: str, archive: bool) -> None:
    """Import companies from a CSV file with a column `name`. Companies that already exist are skipped and counted.

    Commas, semicolons or tabs separate the columns, as spreadsheets write them; columns with other names are ignored.
    FILE may be - for standard input.

    An archived company accepts no new assignments: import the issues first, then the companies again with --archive.
    """
    database, actor = open_database(database_url), current_actor()
    named, bad = _read(file, archive=archive)
    with database.read() as tx:
        existing = find_companies(tx, actor, [one.name for one in named])
    bad += [
        BadRow(one.line, f"name {reason}")
        for one in named
        if key(one.name) not in existing and (reason := illegible(one.name)) is not None
    ]
    if bad:
        output.report_bad_rows(file, sorted(bad, key=lambda row: row.line))
        raise CommandError(f"Nothing was imported: {output.number_of(len(bad), 'bad row')}.")
    with database.write() as tx:
        to_archive = [one.name for one in named if one.archived]
        # Before new names are stored, or a simultaneous request that gives one of them such a name would deadlock.
        lock_companies(tx, actor, [one.company_id for one in find_companies(tx, actor, to_archive).values()])
        created, present = create_missing_companies(tx, actor, [one.name for one in named])
        moved = [one for one in find_companies(tx, actor, to_archive).values() if not one.archived]
        for one in moved:
            update_company(tx, actor, one.company_id, archived=True)
    note = f"; {len(moved)} archived" if archive else ""
    new = output.number_of(created, "company", "companies")
    click.echo(f"{new} created, {present} already existed{note}.")


class _Named(msgspec.Struct, frozen=True):
    """A company in an imported file, and the line on which its row ends."""

    line: int
    name: Name
    archived: bool


def _read(path: str, *, archive: bool) -> tuple[list[_Named], list[BadRow]]:
    """Returns the companies in a file, and its bad rows. Raises CommandError if it cannot be read as CSV."""
    required = COLUMNS if archive else COLUMNS[:1]
    found: list[_Named] = []
    bad: list[BadRow] = []
    try:
        for row in csv_files.read(path, columns=required, required=required, ignore_others=True):
            one = row if isinstance(row, BadRow) else _parse(row)
            if isinstance(one, BadRow):
                bad.append(one)
            else:
                found.append(one)
    except BadFile as error:
        raise CommandError(f"{path}: {error}") from None
    return found, bad


def _parse(row: CsvRow) -> _Named | BadRow:
    try:
        name = parse_name(restore(row.cells["name"]))
    except ValueError as refused:
        return BadRow(row.line, f"name {refused}")
    archived = row.cells.get("archived", "").strip().casefold()
    if archived not in ("", YES):
        return BadRow(row.line, f"archived must be “{YES}” or empty")
    return _Named(row.line, name, archived == YES)


@company.command(name="export")
@database_option
@output_file
def company_export(database_url: str | None, file: str | None) -> None:
    """Export all companies as CSV, archived ones too, to FILE or to standard output.

    The columns are name and archived (yes or empty). `company import` reads the file back. A FILE that exists is
    replaced when the export is complete, and remains unchanged until then.
    """
    database = open_database(database_url)
    with database.read() as tx:
        companies = list_companies(tx, current_actor(), include_archived=True)
    record_export(database, "all companies as CSV" + (f", into {file}" if file else ""))
    with output.destination(file) as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        writer.writerows((defuse(one.name), YES if one.archived else "") for one in companies)
