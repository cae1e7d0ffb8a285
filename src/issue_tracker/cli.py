"""The command line `issue-tracker`: parse, then call the operations that the API calls too.

Exit codes: 0 done, 1 refused (one sentence on stderr says why), 2 wrong usage.
"""

import getpass
import os
from datetime import UTC, datetime
from typing import Any

import click
import uvicorn

from issue_tracker import commands, settings
from issue_tracker.actor import Actor, Role, command_line
from issue_tracker.auth import users
from issue_tracker.auth.passwords import hash_password
from issue_tracker.auth.tokens import Scope, create_token
from issue_tracker.auth.users import parse_display_name, parse_email
from issue_tracker.commands import Commands, Refused, open_database, parsed, password_from
from issue_tracker.companies import operations as company_operations
from issue_tracker.companies.queries import list_companies
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.http.metrics import share_between_workers
from issue_tracker.logs import silence_logs
from issue_tracker.names import parse_name
from issue_tracker.settings import DEFAULT_DATABASE_URL, PREFIX

database_option = click.option(
    "--database-url",
    metavar="URL",
    help="sqlite:///FILE or postgresql://USER@HOST/NAME. One with a password belongs into a file that "
    f"{PREFIX}DATABASE_URL_FILE names: every user of a machine can read command lines.  "
    f"[env {PREFIX}DATABASE_URL; {DEFAULT_DATABASE_URL}]",
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="issue-tracker")
def main() -> None:
    """Shared-issue tracker for a managed-service helpdesk.

    Start with `issue-tracker serve`: it keeps its data in data/issue-tracker.db, and prints what to do first.
    Every setting can also come from the environment; docs/settings.md lists them.
    """
    silence_logs()


def current_actor() -> Actor:
    """Who runs the command, for the history."""
    return command_line(getpass.getuser())


@main.command()
@database_option
@click.option("--host", help="The address to listen on.  [127.0.0.1]")
@click.option("--port", type=int, help="The port to listen on.  [8000]")
@click.option("--workers", type=int, help="Server processes.  [1]")
@click.option("--public-url", metavar="URL", help="The address that browsers use.  [http://HOST:PORT]")
def serve(**options: Any) -> None:
    """Serve the pages and the API.

    On SQLite the schema is brought up to date by itself. On PostgreSQL a stale schema is refused: run
    `issue-tracker migrate` once, then start as many nodes as you like.
    """
    loaded = settings.load(**options)
    given = [os.environ.get(f"{PREFIX}PUBLIC_URL{file}") for file in ("", "_FILE")]
    if not options["public_url"] and not any(given):
        host = f"[{loaded.host}]" if ":" in loaded.host else loaded.host
        options["public_url"] = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{loaded.port}"
        loaded = settings.load(**options)
    commands.prepare(loaded)
    if loaded.metrics and loaded.workers > 1:
        share_between_workers()
    for name, value in options.items():
        if value is not None:
            # The server's processes read the environment, and refuse a setting that is there twice.
            os.environ.pop(f"{PREFIX}{name.upper()}_FILE", None)
            os.environ[PREFIX + name.upper()] = str(value)
    try:
        uvicorn.run(
            "issue_tracker.app:create_app",
            factory=True,
            host=loaded.host,
            port=loaded.port,
            workers=loaded.workers,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=10,
        )
    except SystemExit as ended:
        if ended.code:
            message = f"The server cannot start on {loaded.host}:{loaded.port}; the line above says why."
            raise Refused(message) from None


@main.command()
@database_option
def worker(database_url: str | None) -> None:
    """Deliver webhook messages, beside servers that are told not to. Any number may run, on any machine."""
    commands.deliver(open_database(database_url), settings.load(database_url=database_url))


@main.group()
def events() -> None:
    """Look after the event log."""


@events.command(name="prune")
@database_option
@click.option("--older-than", metavar="AGE", required=True, help="Days or hours, such as 90d or 36h.")
def events_prune(database_url: str | None, older_than: str) -> None:
    """Delete finished webhook deliveries and the audit of sign-ins older than AGE. The history of issues is kept."""
    age = parsed(commands.parse_age, older_than, "--older-than")
    commands.prune_events(open_database(database_url), age)


@main.command(name="migrate")
@database_option
def migrate_command(database_url: str | None) -> None:
    """Bring the database's schema up to date.

    Safe to run again, and from several nodes at once: one migrates, the others wait and find nothing to do.
    """
    before, after = migrate.upgrade(Database(settings.load(database_url=database_url)))
    click.echo(
        f"The schema is current ({after})." if before == after else f"Migrated from {before or 'empty'} to {after}."
    )


@main.group()
def user() -> None:
    """Add, list and change user accounts."""


password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, or ask for it."
)


@user.command(name="add")
@database_option
@click.argument("email")
@click.option("--name", required=True, help="The name that the history shows.")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What the user may do.")
@password_stdin
def user_add(database_url: str | None, email: str, name: str, role: str, password_stdin: bool) -> None:
    """Add a user. Without a password given, one is made and printed once."""
    address, shown = parsed(parse_email, email, "EMAIL"), parsed(parse_display_name, name, "--name")
    password, generated = password_from(password_stdin)
    fresh = hash_password(password)
    with open_database(database_url).write() as tx:
        users.create_user(tx, current_actor(), address, shown, Role(role), fresh)
    click.echo(f"Added {address}.")
    if generated:
        click.echo(f"Password: {password}")


@user.command(name="list")
@database_option
def user_list(database_url: str | None) -> None:
    """List all users: e-mail address, role, state, name; separated by tabs."""
    with open_database(database_url).read() as tx:
        for found in users.list_users(tx, current_actor()):
            state = "active" if found.active else "disabled"
            click.echo(f"{found.email}\t{found.role}\t{state}\t{found.name}")


@user.command(name="password")
@database_option
@click.argument("email")
@password_stdin
def user_password(database_url: str | None, email: str, password_stdin: bool) -> None:
    """Set a user's password and end all of their sessions. Without one given, it is made and printed once."""
    password, generated = password_from(password_stdin)
    fresh = hash_password(password)
    with open_database(database_url).write() as tx:
        found = users.get_user_by_email(tx, email)
        users.update_user(tx, current_actor(), found.user_id, password_hash=fresh)
    click.echo(f"The password of {found.email} is set.")
    if generated:
        click.echo(f"Password: {password}")


@user.command(name="disable")
@database_option
@click.argument("email")
def user_disable(database_url: str | None, email: str) -> None:
    """Disable a user and end all of their sessions. The history keeps their name."""
    with open_database(database_url).write() as tx:
        found = users.get_user_by_email(tx, email)
        users.update_user(tx, current_actor(), found.user_id, active=False)
    click.echo(f"{found.email} is disabled.")


@main.group()
def token() -> None:
    """Make API tokens for scripts and monitoring."""


@token.command(name="add")
@database_option
@click.argument("email")
@click.option("--name", required=True, help="What the history shows as the channel: token:NAME.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What it may do; give it twice for both.",
)
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The day (UTC) from which on it is refused.")
def token_add(
    database_url: str | None, email: str, name: str, scopes: tuple[str, ...], expires: datetime | None
) -> None:
    """Make an API token for the user EMAIL and print it, once. It acts with the user's current role, never more."""
    shown = parsed(parse_name, name, "--name")
    end = expires.replace(tzinfo=UTC) if expires else None
    with open_database(database_url).write() as tx:
        owner = users.get_user_by_email(tx, email)
        wanted = [Scope(scope) for scope in scopes]
        _, text = create_token(tx, current_actor(), owner.user_id, shown, wanted, end)
    click.echo(text)


@main.group()
def company() -> None:
    """Add, list, import and export companies."""


@company.command(name="add")
@database_option
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
def company_add(database_url: str | None, names: tuple[str, ...]) -> None:
    """Add companies. All of them, or none."""
    wanted = [parsed(parse_name, name, f"“{name}”") for name in names]
    with open_database(database_url).write() as tx:
        for name in wanted:
            company_operations.create_company(tx, current_actor(), name)
    click.echo(f"Added {len(wanted)}.")


@company.command(name="list")
@database_option
@click.option("--archived", is_flag=True, help="Archived ones too.")
def company_list(database_url: str | None, archived: bool) -> None:
    """List companies, by name: name, open issues; separated by a tab."""
    with open_database(database_url).read() as tx:
        for found in list_companies(tx, current_actor(), include_archived=archived):
            click.echo(f"{found.name}\t{found.open_issues}")


@company.command(name="import")
@database_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--archive", is_flag=True, help="Archive those whose column `archived` says yes.")
def company_import(database_url: str | None, file: str, archive: bool) -> None:
    """Import companies from a CSV file with a column `name`. Existing ones are counted, not errors.

    An archived company takes no new assignments: import the issues first, then the companies again with --archive.
    """
    commands.import_companies(open_database(database_url), current_actor(), file, archive=archive)


@company.command(name="export")
@database_option
@click.argument("file", type=click.Path(dir_okay=False, writable=True), required=False)
def company_export(database_url: str | None, file: str | None) -> None:
    """Export all companies as CSV, archived ones too, to FILE or to standard output.

    The columns are name and archived (yes or empty). `company import` reads it back.
    """
    commands.export_companies(open_database(database_url), current_actor(), file)


@main.group()
def issue() -> None:
    """Import and export issues as CSV."""


@issue.command(name="import")
@database_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--skip-bad", is_flag=True, help="Import the good rows of a file that has bad ones.")
def issue_import(database_url: str | None, file: str, skip_bad: bool) -> None:
    """Import issues from a CSV file: columns name, description, company_name, status; one row per assignment.

    Issues that exist get the rows' companies added, with their statuses. A bad row is reported with its line, and
    nothing of the file is imported, unless --skip-bad says so.

    The file is one transaction. On SQLite nobody else can change anything until it ends, and servers answer such
    requests with 503; reading goes on. Import large files when nobody works.
    """
    commands.import_issues(open_database(database_url), current_actor(), file, skip_bad=skip_bad)


@issue.command(name="export")
@database_option
@click.argument("file", type=click.Path(dir_okay=False, writable=True), required=False)
def issue_export(database_url: str | None, file: str | None) -> None:
    """Export all issues as CSV, to FILE or to standard output. `issue import` reads it back."""
    commands.export_issues(open_database(database_url), current_actor(), file)


@main.command()
@database_option
@click.argument("file", type=click.Path(dir_okay=False, writable=True))
def backup(database_url: str | None, file: str) -> None:
    """Write a consistent copy of a SQLite database to FILE, while it is in use. PostgreSQL has pg_dump for that.

    The database may be of an earlier version: back it up, then migrate.
    """
    commands.back_up(open_database(database_url, any_schema=True), file)
    click.echo(f"Backed up to {file}.")


@main.command()
@database_option
def demo(database_url: str | None) -> None:
    """Fill an empty database with a believable helpdesk, and print its sign-ins."""
    loaded = settings.load(database_url=database_url)
    database = Database(loaded)
    migrate.upgrade(database)
    commands.fill_demo(database, loaded)


@main.command(name="openapi")
def openapi_command() -> None:
    """Print the OpenAPI document of the API."""
    commands.print_openapi(settings.load())


if __name__ == "__main__":
    main()
