"""The database of a command: its URL, a check of its schema, and the actor of the command."""

import getpass
import os
import time
from uuid import uuid4

import click
import msgspec

from issue_tracker import settings
from issue_tracker.actor import Actor, command_line
from issue_tracker.cli.failures import CommandError
from issue_tracker.clock import now
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.database.sqlite import sqlite_path
from issue_tracker.errors import Cause, Unavailable
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.names import printable
from issue_tracker.settings import DEFAULT_DATABASE_URL, PREFIX, Settings

RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0

_ACTOR = f"{__name__}.actor"
"""The key of the actor in the data that click keeps for one command."""

database_option = click.option(
    "--database-url",
    metavar="URL",
    help="sqlite:///FILE or postgresql://USER@HOST/NAME. Put a URL with a password in a file that "
    f"{PREFIX}DATABASE_URL_FILE names: every user of a machine can read command lines.  "
    f"[env {PREFIX}DATABASE_URL; {DEFAULT_DATABASE_URL}]",
)


def current_actor() -> Actor:
    """Returns the actor of the command, for the history: the name of the system account, or its number without a name.

    All events of the command carry one request id, like those of a request.
    """
    context = click.get_current_context(silent=True)
    meta = {} if context is None else context.meta
    if _ACTOR not in meta:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            name = str(os.getuid())
        meta[_ACTOR] = msgspec.structs.replace(command_line(printable(name)), request_id=f"cli-{uuid4().hex}")
    found: Actor = meta[_ACTOR]
    return found


def open_database(database_url: str | None, *, any_version: bool = False) -> Database:
    """Opens the database of the settings. Raises CommandError if it does not exist, SchemaMismatch for another schema.

    `any_version` also accepts the schema of an earlier or a later version of the program.
    """
    loaded = settings.load(database_url=database_url)
    path = sqlite_path(loaded.database_url)
    if path is not None and not path.exists():
        raise CommandError(
            f"There is no database {path.absolute()}; name another, or run `issue-tracker migrate` to create it."
        )
    database = connect(loaded)
    with database.read() as tx:
        migrate.check(tx, any_version=any_version)
    return database


def record_export(database: Database, what: str) -> None:
    """Records in the audit that all data of a kind is about to leave the database.

    If the database cannot be written, such as a read-only copy, the command prints a warning and continues.
    """
    try:
        with database.write() as tx:
            record(tx, current_actor(), [Change(type=EventType.DATA_EXPORTED, note=what)], now())
    except Unavailable as error:
        reason = (error.reason or error.detail).rstrip(".")
        click.echo(f"The export is not recorded in the history: {reason}.", err=True)


def connect(loaded: Settings) -> Database:
    """Returns the database of the settings, whatever its schema. It is closed when the command ends."""
    database = Database(loaded)
    click.get_current_context().call_on_close(database.close)
    return database


def upgrade(database: Database) -> tuple[str | None, str]:
    """Migrates the schema to the current version, and returns its versions before and after.

    Waits while another process locks the database, which may be migrating it; then nothing is left to do. On PostgreSQL
    it retries at growing intervals, because requests queue behind each attempt. Raises what `migrate.upgrade` raises
    for a database that it must not change.
    """
    waiting, pause = False, RETRY_SECONDS
    while True:
        try:
            return migrate.upgrade(database)
        except Unavailable as error:
            if error.cause is not Cause.BUSY:
                raise
        if not waiting:
            click.echo("Waiting for another process to finish with the database.", err=True)
            waiting = True
        time.sleep(pause)
        if not database.sqlite:
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)
