"""Commands that move all data: `copy`, `dump` and `restore`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.engine import make_url

from issue_tracker import settings
from issue_tracker.cli import databases, output
from issue_tracker.cli.arguments import NewFile
from issue_tracker.cli.databases import database_option, open_database, record_export
from issue_tracker.cli.failures import CommandError
from issue_tracker.cli.stored_secrets import has_secrets, reencrypt
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.database.moving.copies import copy_all, count_rows, restore_all
from issue_tracker.database.moving.dumps import Dump, Header, write_dump
from issue_tracker.database.moving.rows import DataError, Reader, shapes
from issue_tracker.database.server_key import ServerKey
from issue_tracker.settings import PREFIX, Settings, SettingsError

_DEFAULT = f"By default {PREFIX}DATABASE_URL."


@click.command()
@click.option("--from", "source_url", metavar="URL", help=f"The database to read. {_DEFAULT}")
@click.option("--to", "target_url", metavar="URL", help=f"The empty database to fill. {_DEFAULT}")
def copy(source_url: str | None, target_url: str | None) -> None:
    """Copy everything from one database to another: SQLite or PostgreSQL, in either direction.

    Ids, times, the history, users, sessions, tokens and webhooks are preserved, so that users stay signed in. The
    target must be empty; its schema is created. Everything is compared at the end, and the target stays empty if
    anything differs.

    Stop the servers first: changes made after the start of the copy are not in it.
    """
    if source_url is None and target_url is None:
        raise click.UsageError("Give --from, --to or both.")
    target_settings = _named_by("--to", target_url)
    source_settings = _named_by("--from", source_url)
    if make_url(source_settings.database_url) == make_url(target_settings.database_url):
        raise CommandError("--from and --to name the same database.")
    source = _fully_known(open_database(source_url))
    target = databases.connect(target_settings)
    databases.upgrade(target)
    _fully_known(target)
    rows = count_rows(source)
    record_export(source, f"everything, into {make_url(target_settings.database_url).render_as_string()}")
    with _refusals(), output.counted(2 * rows, "Copying") as advance:
        copied = copy_all(source, target, advance)
    _encrypt_anew(ServerKey(target, target_settings), ServerKey(source, source_settings))
    rows = sum(checksum.rows for _, checksum in copied)
    click.echo(f"Copied {rows} rows of {len(copied)} tables; all are equal.")


def _named_by(option: str, url: str | None) -> Settings:
    """Returns the settings with the database that the option names, if any. Raises SettingsError."""
    try:
        return settings.load(database_url=url)
    except SettingsError as error:
        if url is None:
            raise
        raise SettingsError(str(error).replace(f"{PREFIX}DATABASE_URL", option)) from None


@click.command()
@database_option
@click.argument("file", type=NewFile(dir_okay=False))
def dump(database_url: str | None, file: str) -> None:
    """Write everything in the database to FILE, from which `restore` fills either kind of database.

    The file contains password hashes and, encrypted, the secrets of webhooks and authenticator apps, the passwords of
    mailboxes and the refresh tokens of sessions. Only its owner can read it, and to restore these secrets, you need the
    server's key. A FILE that exists is not overwritten. Servers may run meanwhile.
    """
    database = _fully_known(open_database(database_url))
    if Path(file).exists():
        raise CommandError(f"{file} already exists.")
    rows = count_rows(database)
    record_export(database, f"everything, into {file}")
    with (
        output.replacing(file) as temporary,
        temporary.open("wb") as out,
        output.counted(rows, "Dumping") as advance,
        database.read(in_bulk=True) as tx,
    ):
        rows = write_dump(out, Reader.of(tx), shapes(), migrate.head(), advance)
    click.echo(f"Dumped {rows} rows to {file}.")


@click.command()
@database_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def restore(database_url: str | None, file: str) -> None:
    """Fill an empty database from FILE, which `dump` wrote, with this or an earlier version of the program.

    The schema is created, and migrated if the dump is of an earlier version. Everything is compared at the
    end, and the database stays empty if anything differs.
    """
    with Path(file).open("rb") as stored, _refusals(file):
        read = Dump(stored)
        if read.header.schema > migrate.head():
            raise CommandError(
                f"{file} is newer ({read.header.schema}) than this program ({migrate.head()});"
                " use the newer version of the program."
            )
        loaded = settings.load(database_url=database_url)
        database = databases.connect(loaded)
        _prepare(database, read.header)
        with output.counted(2 * read.header.rows, "Restoring") as advance:
            restore_all(read, database, advance)
    databases.upgrade(database)
    _encrypt_anew(ServerKey(database, loaded))
    click.echo(f"Restored {read.header.rows} rows of {len(read.header.tables)} tables; all are equal.")


def _encrypt_anew(key: ServerKey, former: ServerKey | None = None) -> None:
    """Encrypts moved secrets with the key of their new server, and reports those that cannot be decrypted there."""
    with key.database.read() as tx:
        if not has_secrets(tx):
            return
    keyring = key.keyring() if former is None else key.keyring().followed_by(former.keyring())
    with key.database.write() as tx:
        done = reencrypt(tx, keyring)
    for problem in done.problems:
        click.echo(problem, err=True)


def _prepare(database: Database, header: Header) -> None:
    """Creates the schema of the dump in the database. Raises CommandError if it has another schema."""
    if header.schema == migrate.head():
        databases.upgrade(database)
        _fully_known(database)
        return
    database.create()
    with database.read() as tx:
        migrate.check_can_migrate(tx)
        found = migrate.version(tx)
    if found is None:
        migrate.upgrade(database, to=header.schema)
    elif found != header.schema:
        raise CommandError(f"The dump has an earlier schema ({header.schema}): name a database without any tables.")


def _fully_known(database: Database) -> Database:
    """Returns the database. Raises SchemaMismatch for any later schema, even one that this program may use, because it
    has columns that would not be moved.
    """
    with database.read() as tx:
        migrate.check_knows_everything(tx)
    return database


@contextmanager
def _refusals(file: str | None = None) -> Iterator[None]:
    """Turns DataError into CommandError, whose message names the file, if there is one."""
    try:
        yield
    except DataError as refused:
        raise CommandError(f"{file}: {refused}" if file else str(refused)) from None
