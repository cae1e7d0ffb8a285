"""The longer commands of the command line: imports, exports, documents; and what commands share."""

import csv
import getpass
import os
import secrets
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click
import msgspec
from rich.console import Console
from rich.progress import track
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker import settings
from issue_tracker.actor import Actor
from issue_tracker.api import openapi
from issue_tracker.app import declared_routes
from issue_tracker.auth import users
from issue_tracker.auth.first_start import offer_setup
from issue_tracker.auth.passwords import Password, generate_password, parse_password
from issue_tracker.clock import iso, now
from issue_tracker.companies.operations import create_missing_companies, update_company
from issue_tracker.companies.queries import find_companies, list_companies
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database, sqlite_path
from issue_tracker.database.engine import database_url as parse_database_url
from issue_tracker.demo import fill
from issue_tracker.errors import AppError
from issue_tracker.events.delivery import Deliverer
from issue_tracker.events.retention import prune_deliveries, prune_sign_ins
from issue_tracker.issues import transfer
from issue_tracker.issues.queries.filters import Position
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.transfer import BadRow, ImportResult, ImportRow
from issue_tracker.logs import configure_logs
from issue_tracker.names import Name, key, parse_name
from issue_tracker.settings import Settings, SettingsError

T = TypeVar("T")

EXPORT_CHUNK = 500

COMPANY_COLUMNS = ("name", "archived")
YES = "yes"

LASTING = ("serve", "worker")
"""Commands that are not done when nobody reads what they print."""


class CommandError(Exception):
    """A command cannot do what it was asked; the message is one sentence."""


class Refused(click.ClickException):
    """One sentence on stderr, and exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"issue-tracker: {self.message}", err=True)


class Commands(click.Group):
    """Turns what the operations refuse into one sentence on stderr.

    A reader that has enough (`issue export | head`) ends the command, and well.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except AppError as error:
            raise Refused(error.detail) from None
        except (SettingsError, CommandError) as error:
            raise Refused(str(error)) from None
        except BrokenPipeError as error:
            if ctx.invoked_subcommand in LASTING:
                raise Refused(f"Standard output: {error.strerror}.") from None
            # What Python would still write at the end goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None
        except OSError as error:
            raise Refused(f"{error.filename or 'The system'}: {error.strerror or error}.") from None
        except SQLAlchemyError as error:
            raise Refused(f"The database cannot be used: {getattr(error, 'orig', None) or error}.") from None


def open_database(database_url: str | None, *, any_schema: bool = False) -> Database:
    """The database of the settings. Refuses one that does not exist, or is not current, and says what to do."""
    loaded = settings.load(database_url=database_url)
    path = sqlite_path(parse_database_url(loaded.database_url))
    if path is not None and not path.exists():
        raise Refused(
            f"There is no database {path.absolute()}; name another, or run `issue-tracker migrate` to make it."
        )
    database = Database(loaded)
    if not any_schema:
        with database.read() as tx:
            if not migrate.is_current(tx):
                raise Refused("The database schema is not current; run `issue-tracker migrate` first.")
    return database


def parsed(parse: Callable[[str], T], text: str, what: str) -> T:
    """A parsed argument, or a refusal that names it."""
    try:
        return parse(text)
    except ValueError as refused:
        raise Refused(f"{what} {refused}.") from None


def password_from(stdin: bool) -> tuple[Password, bool]:
    """The password from standard input (on a terminal asked for, and not shown), or a generated one (True)."""
    if not stdin:
        return Password(generate_password()), True
    text = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    return parsed(parse_password, text, "The password"), False


def prepare(loaded: Settings) -> None:
    """What one process does before the servers start: the schema, and the first set-up's link."""
    database = Database(loaded)
    try:
        with database.read() as tx:
            current = migrate.is_current(tx)
        if not current and not database.sqlite:
            raise CommandError("The database schema is not current; run `issue-tracker migrate`, then start again.")
        if not current:
            migrate.upgrade(database)
        token = secrets.token_urlsafe(24)
        with database.write() as tx:
            first_start = users.no_users(tx)
            if first_start:
                offer_setup(tx, token, now())
    finally:
        database.close()
    click.echo(f"Issue Tracker serves {loaded.public_url}")
    if first_start:
        click.echo("There is no user yet. Create the first super admin with this link; it works once:")
        click.echo(f"\n    {loaded.public_url.rstrip('/')}/setup?token={token}\n")
        click.echo("Or fill the database with a believable helpdesk to try it on: issue-tracker demo")
    sys.stdout.flush()


def with_progress(items: Iterable[T], total: int, description: str) -> Iterator[T]:
    """A progress bar on a terminal; nothing in a pipe."""
    console = Console(stderr=True)
    yield from track(items, description, total=total, console=console, transient=True, disable=not console.is_terminal)


def import_companies(database: Database, actor: Actor, path: str, *, archive: bool) -> None:
    """Creates the companies of a CSV file with a column `name`; all of them or none.

    `archive` archives those of them, new or not, whose column `archived` says yes.
    """
    names, archived = _read_companies(path, archive=archive)
    with database.write() as tx:
        created, existing = create_missing_companies(tx, actor, names)
        moved = [company for company in find_companies(tx, actor, archived).values() if not company.archived]
        for company in moved:
            update_company(tx, actor, company.company_id, archived=True)
    told = f"; {len(moved)} archived" if archive else ""
    click.echo(f"{created} companies created, {existing} existed already{told}.")


def _read_companies(path: str, *, archive: bool) -> tuple[list[Name], list[Name]]:
    """The names in a file and, with `archive`, which of them are archived. Refuses a file with a bad row."""
    names: list[Name] = []
    archived: list[Name] = []
    bad: list[BadRow] = []
    reader = csv.DictReader(transfer.read_lines(path), strict=True)
    try:
        for column in COMPANY_COLUMNS if archive else COMPANY_COLUMNS[:1]:
            if column not in (reader.fieldnames or ()):
                raise CommandError(f"{path}: the first line must name a column “{column}”.")
        for cells in reader:
            try:
                names.append(parse_name(transfer.restore(cells["name"] or "")))
            except ValueError as refused:
                bad.append(BadRow(reader.line_num, f"name {refused}"))
                continue
            said = (cells["archived"] or "").strip() if archive else ""
            if said == YES:
                archived.append(names[-1])
            elif said:
                bad.append(BadRow(reader.line_num, f"archived must be “{YES}” or empty"))
    except transfer.BadFile as error:
        raise CommandError(f"{path}: {error}") from None
    except csv.Error as error:
        raise CommandError(f"{path}: Line {reader.reader.line_num}: the file is not CSV ({error}).") from None
    if bad:
        report(path, bad)
        raise CommandError(f"Nothing was imported: {len(bad)} bad row(s).")
    return names, archived


def export_companies(database: Database, actor: Actor, path: str | None) -> None:
    """Writes all companies as CSV, those that are archived too."""
    with database.read() as tx:
        companies = list_companies(tx, actor, include_archived=True)
    with destination(path) as out:
        writer = csv.writer(out)
        writer.writerow(COMPANY_COLUMNS)
        writer.writerows((transfer.defuse(one.name), YES if one.archived else "") for one in companies)


def import_issues(database: Database, actor: Actor, path: str, *, skip_bad: bool) -> None:
    """Imports a CSV file of issues in one transaction."""
    result = ImportResult()
    groups: dict[str, list[ImportRow]] = {}
    try:
        for row in transfer.read_rows(transfer.read_lines(path)):
            if isinstance(row, BadRow):
                result.bad.append(row)
            else:
                groups.setdefault(key(row.name), []).append(row)
    except transfer.BadFile as error:
        raise CommandError(f"{path}: {error}") from None
    try:
        with database.write() as tx:
            named = {row.company_name for group in groups.values() for row in group if row.company_name}
            companies = find_companies(tx, actor, named)
            for group in with_progress(groups.values(), len(groups), "Importing"):
                transfer.import_issue(tx, actor, group, companies, result)
            if result.bad and not skip_bad:
                raise CommandError(f"Nothing was imported: {len(result.bad)} bad row(s). Mend them, or use --skip-bad.")
    finally:
        report(path, sorted(result.bad, key=lambda row: row.line))
    click.echo(
        f"{result.issues_created} issues created, {result.issues_existing} existed already; "
        f"{result.rows} rows imported."
    )


def report(path: str, bad: Iterable[BadRow]) -> None:
    """Each bad row on stderr, by its line in the file."""
    for row in bad:
        click.echo(f"{path}, line {row.line}: {row.reason}", err=True)


@contextmanager
def destination(path: str | None) -> Iterator[TextIO]:
    """Where an export goes: the file, or standard output without one."""
    if path is None:
        yield sys.stdout
    else:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            yield file


def export_issues(database: Database, actor: Actor, path: str | None) -> None:
    """Writes all issues as CSV, a chunk at a time."""
    with destination(path) as out, database.read() as tx:
        out.write(transfer.header())
        after: Position | None = None
        while rows := (issues := IssueList(tx, actor, after=after)).rows(EXPORT_CHUNK):
            out.write(transfer.rows(issues.load(rows)))
            after = rows[-1].position


def back_up(database: Database, path: str) -> None:
    """Copies a SQLite database, writers going on meanwhile. Refuses to overwrite, and PostgreSQL.

    A copy that fails leaves no file.
    """
    if not database.sqlite:
        raise CommandError("This command copies SQLite databases; use pg_dump for PostgreSQL.")
    if Path(path).exists():
        raise CommandError(f"{path} exists already.")
    Path(path).touch(mode=0o600)
    try:
        with database.engine.connect() as connection, closing(sqlite3.connect(path)) as copy:
            source = connection.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)
            source.backup(copy)
    except BaseException as error:
        Path(path).unlink()
        if isinstance(error, sqlite3.Error):
            raise CommandError(f"The copy failed: {error}.") from None
        raise


def deliver(database: Database, loaded: Settings) -> None:
    """Delivers webhook messages until told to stop."""
    configure_logs(loaded)
    deliverer = Deliverer(database, loaded)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=deliverer.run, name="deliverer", daemon=True).start()
    click.echo("Delivering webhook messages.")
    sys.stdout.flush()
    stopping.wait()
    deliverer.close()


def parse_age(text: str) -> timedelta:
    """An age such as 90d or 36h. Raises ValueError."""
    number, unit = text[:-1], text[-1:].lower()
    if unit not in ("d", "h") or not (number.isascii() and number.isdigit()) or not 0 < int(number) < 100_000:
        raise ValueError("must be a number of days or hours, such as 90d or 36h")
    return timedelta(days=int(number)) if unit == "d" else timedelta(hours=int(number))


def prune_events(database: Database, age: timedelta) -> None:
    """Deletes what retention does not keep, a piece at a time, so that nobody waits."""
    before = now() - age
    delivered = signins = 0
    while True:
        with database.write() as tx:
            pieces = prune_deliveries(tx, before), prune_sign_ins(tx, before)
        delivered, signins = delivered + pieces[0], signins + pieces[1]
        if not any(pieces):
            break
    click.echo(f"Deleted {delivered} deliveries and {signins} sign-ins from before {iso(before)}.")


def fill_demo(database: Database, settings: Settings) -> None:
    """Fills an empty database, and prints who can sign in."""
    try:
        signins = fill(database)
    except AppError as error:
        raise CommandError(error.detail) from None
    click.echo("The demonstration is ready. Sign in at " + settings.public_url + " as")
    for signin in signins:
        click.echo(f"    {signin.email}   {signin.password}   ({signin.role})")


def print_openapi(settings: Settings) -> None:
    """The OpenAPI document on standard output."""
    document = msgspec.json.format(msgspec.json.encode(openapi.document(declared_routes(), settings)), indent=2)
    click.echo(document.decode())
