"""The commands `company-group …`."""

import click

from issue_tracker.cli import output
from issue_tracker.cli.arguments import input_file
from issue_tracker.cli.databases import current_actor, database_option, open_database
from issue_tracker.cli.failures import CommandError
from issue_tracker.companies.groups.importing import import_groups, read_file
from issue_tracker.csv_files import BadFile


@click.group(name="company-group")
def company_group() -> None:
    """Import company groups."""


@company_group.command(name="import")
@database_option
@input_file
@click.option("--replace", is_flag=True, help="Remove all other companies from the groups in the file.")
def company_group_import(database_url: str | None, file: str, replace: bool) -> None:
    """Import company groups from a CSV file with the columns `company_name` and `group`, one row per membership.

    Missing groups are created. The companies must exist: run `company import` first. Columns are separated by commas,
    semicolons or tabs, as spreadsheets write them; columns with other names are ignored.
    FILE may be - for standard input.
    """
    database = open_database(database_url)
    try:
        rows = list(read_file(file))  # before the transaction, because standard input may be slow
    except BadFile as error:
        raise CommandError(f"{file}: {error}") from None
    with database.write() as tx:
        imported = import_groups(tx, current_actor(), rows, replace=replace)
    if imported.bad:
        output.report_bad_rows(file, imported.bad)
        raise CommandError(f"Nothing was imported: {output.number_of(len(imported.bad), 'bad row')}.")
    click.echo(imported.sentence)
