"""Commands that maintain a database (schema, retention, backup, demonstration data), and `openapi`."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import click
import msgspec

from issue_tracker import settings
from issue_tracker.cli import databases, output, stored_secrets
from issue_tracker.cli.arguments import NewFile, output_file, parse_age, parsed
from issue_tracker.cli.databases import current_actor, database_option, open_database, record_export
from issue_tracker.cli.failures import CommandError
from issue_tracker.clock import iso, now
from issue_tracker.database import migrate as schema
from issue_tracker.database.engine import Database
from issue_tracker.database.history_identity import forget_place
from issue_tracker.database.migrate import SchemaMismatch
from issue_tracker.database.server_key import ServerKey
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.events.retention import prune_deliveries, prune_sign_ins


@click.command()
@database_option
def migrate(database_url: str | None) -> None:
    """Bring the database's schema up to date.

    It is safe to run again, and from several nodes at the same time: one of them migrates, while the others wait and
    then find nothing to do.
    """
    before, after = databases.upgrade(databases.connect(settings.load(database_url=database_url)))
    needed = schema.head()
    if after > needed:
        click.echo(
            f"The schema is newer ({after}) than this program ({needed}), which can use it. Nothing was migrated."
        )
    elif before == after:
        click.echo(f"The schema is current ({after}).")
    else:
        click.echo(f"Migrated from {before or 'an empty database'} to {after}.")


@click.group()
def events() -> None:
    """Maintain the event log."""


@events.command(name="prune")
@database_option
@click.option("--older-than", metavar="AGE", required=True, help="Days or hours, such as 90d or 36h.")
def events_prune(database_url: str | None, older_than: str) -> None:
    """Delete finished webhook deliveries and the audit of sign-ins and refusals older than AGE.

    The history of issues is retained.
    """
    age = parsed(parse_age, older_than, "--older-than")
    prune_events(open_database(database_url), age)


def prune_events(database: Database, age: timedelta) -> None:
    """Deletes old rows that need not be retained, in small transactions, so that other writers do not wait long."""
    before = now() - age
    delivered = signins = 0
    try:
        while True:
            with database.write() as tx:
                pieces = prune_deliveries(tx, before), prune_sign_ins(tx, before)
            delivered, signins = delivered + pieces[0], signins + pieces[1]
            if not any(pieces):
                break
    finally:  # also after an interruption: the earlier pieces were deleted
        old = output.number_of(delivered, "delivery", "deliveries"), output.number_of(signins, "sign-in")
        what = f"{' and '.join(old)} from before {iso(before)}"
        if delivered or signins:
            with database.write() as tx:
                record(tx, current_actor(), [Change(type=EventType.DATA_PRUNED, note=what)], now())
    click.echo(f"Deleted {what}.")


@click.command()
@database_option
@click.argument("file", type=NewFile(dir_okay=False, writable=True))
def backup(database_url: str | None, file: str) -> None:
    """Write a consistent copy of a SQLite database to FILE, while it is in use. For PostgreSQL, use pg_dump.

    The database may be of an earlier version: back it up, then migrate. A FILE that exists is not overwritten.
    """
    database = open_database(database_url, any_version=True)
    if not database.sqlite:
        raise CommandError("This command copies SQLite databases; use pg_dump for PostgreSQL.")
    if Path(file).exists():
        raise CommandError(f"{file} already exists.")
    if _has_present_schema(database):
        record_export(database, f"everything, into {file}")
    with output.replacing(file) as copy:
        try:
            _copy(database, copy)
        finally:
            copy.with_name(f"{copy.name}-journal").unlink(missing_ok=True)
    click.echo(f"Backed up to {file}.")


def _has_present_schema(database: Database) -> bool:
    """Returns whether this program can write events, for which an earlier schema may lack columns."""
    try:
        with database.read() as tx:
            schema.check(tx)
    except SchemaMismatch:
        return False
    return True


def _copy(database: Database, path: Path) -> None:
    """Copies a SQLite database to a file in one step, so that changes by other processes do not restart the copy."""
    with database.dedicated_connection() as source, closing(sqlite3.connect(path)) as copy:
        try:
            source.backup(copy)
            forget_place(copy)
        except sqlite3.Error as error:
            raise CommandError(f"The copy failed: {error}.") from None


@click.command()
@database_option
def reencrypt(database_url: str | None) -> None:
    """Encrypt all stored secrets with the first key of ISSUE_TRACKER_SECRET_KEY.

    Run it after the key was replaced on every node. The former key is then no longer needed; if it was stored in the
    database, it is deleted.
    """
    loaded = settings.load(database_url=database_url)
    database = open_database(database_url)
    key = ServerKey(database, loaded)
    keyring = key.keyring()
    with database.write() as tx:
        done = stored_secrets.reencrypt(tx, keyring)
    click.echo(f"Encrypted {output.number_of(done.changed, 'secret')}.")
    if done.problems:
        raise CommandError(" ".join(done.problems))
    if key.forget_stored():
        click.echo("Deleted the key that was stored in the database.")


@click.command()
@database_option
def demo(database_url: str | None) -> None:
    """Fill an empty database with the data of an invented helpdesk, and print its accounts."""
    from issue_tracker.demo import fill  # noqa: PLC0415 - only this command needs it

    loaded = settings.load(database_url=database_url)
    database = databases.connect(loaded)
    databases.upgrade(database)
    accounts = fill(database)
    click.echo("The demonstration is ready. Sign in at " + loaded.public_url + " as")
    for account in accounts:
        click.echo(f"    {account.email}   {account.password}   ({account.role})")


@click.command()
@output_file
def openapi(file: str | None) -> None:
    """Write the OpenAPI document of the API to FILE, or to standard output."""
    # Imported here, because no other command needs the web application, which is slow to load.
    from issue_tracker.api.openapi import document  # noqa: PLC0415 - loads the web application
    from issue_tracker.app import declared_routes  # noqa: PLC0415 - loads the web application

    encoded = msgspec.json.encode(document(declared_routes(), settings.load()))
    with output.destination(file) as out:
        out.write(msgspec.json.format(encoded, indent=2).decode() + "\n")
