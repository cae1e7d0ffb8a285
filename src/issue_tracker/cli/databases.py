"""How commands get at the database: which one, whether its schema fits this program, and who acts."""

import getpass
import os
import time

import click
from sqlalchemy import Connection, inspect

from issue_tracker import settings
from issue_tracker.actor import Actor, command_line
from issue_tracker.cli.failures import CommandError, database_is_locked
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database, sqlite_path
from issue_tracker.database.engine import database_url as parse_database_url
from issue_tracker.database.tables import metadata
from issue_tracker.errors import Unavailable
from issue_tracker.names import printable
from issue_tracker.settings import DEFAULT_DATABASE_URL, PREFIX, Settings

RETRY_SECONDS = 0.2

database_option = click.option(
    "--database-url",
    metavar="URL",
    help="sqlite:///FILE or postgresql://USER@HOST/NAME. Put a URL with a password in a file that "
    f"{PREFIX}DATABASE_URL_FILE names: every user of a machine can read command lines.  "
    f"[env {PREFIX}DATABASE_URL; {DEFAULT_DATABASE_URL}]",
)


def current_actor() -> Actor:
    """Who runs the command, for the history: the name of the account, or its number where it has no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return command_line(printable(name))


def open_database(database_url: str | None, *, any_version: bool = False) -> Database:
    """The database of the settings. Raises CommandError for one that does not exist, or whose schema does not fit.

    `any_version` also accepts the schema of an earlier or a later version of the program.
    """
    loaded = settings.load(database_url=database_url)
    path = sqlite_path(parse_database_url(loaded.database_url))
    if path is not None and not path.exists():
        raise CommandError(
            f"There is no database {path.absolute()}; name another, or run `issue-tracker migrate` to create it."
        )
    database = connect(loaded)
    with database.read() as tx:
        check_schema(tx, any_version=any_version)
    return database


def connect(loaded: Settings) -> Database:
    """The database of the settings, whatever its schema. It is closed when the command ends."""
    database = Database(loaded)
    click.get_current_context().call_on_close(database.close)
    return database


def check_schema(tx: Connection, *, any_version: bool = False) -> None:
    """Raises CommandError, saying what to do, unless the schema is the one that this program needs."""
    found, needed = migrate.version(tx), migrate.head()
    if found == needed:
        return
    if found is None or not any_version:
        check_can_migrate(tx)
        raise CommandError("The database schema is not current; run `issue-tracker migrate` first.")
    if not _is_version(found):
        raise _foreign()


def check_can_migrate(tx: Connection) -> None:
    """Raises CommandError for a database of a newer version of the program, and for one of another program."""
    found, needed = migrate.version(tx), migrate.head()
    if found is None:
        # An empty database of PostgreSQL may hold the tables of an extension; a file of SQLite holds none.
        tables = set(inspect(tx).get_table_names())
        if tables if tx.dialect.name == "sqlite" else tables & metadata.tables.keys():
            raise _foreign()
    elif not _is_version(found):
        raise _foreign()
    elif found > needed:
        raise CommandError(
            f"This database is newer ({found}) than this program ({needed}); use the newer version of the program."
        )


def _is_version(found: str) -> bool:
    """Whether a schema's version looks like this program's: four digits, which grow."""
    return len(found) == len(migrate.head()) and found.isascii() and found.isdigit()


def _foreign() -> CommandError:
    return CommandError("This database belongs to another program, or is damaged; name another.")


def upgrade(database: Database) -> tuple[str | None, str]:
    """Brings the schema up to date, and returns its versions before and after.

    Waits as long as another process holds the database, because that one may be migrating it: then nothing is left to
    do. Raises CommandError as `check_can_migrate` does.
    """
    waiting = False
    while True:
        try:
            with database.read() as tx:
                check_can_migrate(tx)
                if migrate.is_current(tx):
                    return migrate.head(), migrate.head()
            return migrate.upgrade(database)
        except Unavailable as error:
            if not database_is_locked(error):
                raise
        except CommandError:
            raise
        except Exception:
            # A newer program may have migrated it while this one waited.
            with database.read() as tx:
                check_can_migrate(tx)
            raise
        if not waiting:
            click.echo("Waiting for another process to finish with the database.", err=True)
            waiting = True
        time.sleep(RETRY_SECONDS)
