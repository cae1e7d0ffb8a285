"""The commands `user …` and `token …`."""

from datetime import UTC, datetime

import click

from issue_tracker.actor import Role
from issue_tracker.auth import users
from issue_tracker.auth.factors.stored import reset_factors
from issue_tracker.auth.passwords import hash_new_password
from issue_tracker.auth.tokens import Scope, create_token
from issue_tracker.auth.user_names import parse_display_name, parse_email
from issue_tracker.cli.arguments import parsed, password_from
from issue_tracker.cli.databases import current_actor, database_option, open_database
from issue_tracker.names import parse_name, parse_note

password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input; on a terminal, prompt for it."
)


@click.group()
def user() -> None:
    """Add, list and change user accounts."""


@user.command(name="add")
@database_option
@click.argument("email")
@click.option("--name", required=True, help="The name that the history shows.")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What the user may do.")
@password_stdin
def user_add(database_url: str | None, email: str, name: str, role: str, password_stdin: bool) -> None:
    """Add a user. Without --password-stdin a password is generated and printed once."""
    address, shown = parsed(parse_email, email, "EMAIL"), parsed(parse_display_name, name, "--name")
    password, generated = password_from(password_stdin)
    fresh = hash_new_password(password, email=address, name=shown)
    with open_database(database_url).write() as tx:
        users.create_user(tx, current_actor(), address, shown, Role(role), fresh)
    click.echo(f"Added {address}.")
    if generated:
        click.echo(f"Password: {password}")


@user.command(name="list")
@database_option
def user_list(database_url: str | None) -> None:
    """List all users: e-mail address, role, state and name, separated by tabs."""
    with open_database(database_url).read() as tx:
        found = users.list_users(tx, current_actor())
    for one in found:
        click.echo(f"{one.email}\t{one.role}\t{'active' if one.active else 'disabled'}\t{one.name}")


@user.command(name="password")
@database_option
@click.argument("email")
@password_stdin
def user_password(database_url: str | None, email: str, password_stdin: bool) -> None:
    """Set a user's password and end all of their sessions.

    Without --password-stdin a password is generated and printed once.
    """
    password, generated = password_from(password_stdin)
    database = open_database(database_url)
    with database.read() as tx:
        found = users.get_user_by_email(tx, email)
    fresh = hash_new_password(password, email=found.email, name=found.name)
    with database.write() as tx:
        users.update_user(tx, current_actor(), found.user_id, password_hash=fresh)
    click.echo(f"The password of {found.email} is set.")
    if generated:
        click.echo(f"Password: {password}")


@user.command(name="disable")
@database_option
@click.argument("email")
def user_disable(database_url: str | None, email: str) -> None:
    """Disable a user and end all of their sessions. Their name stays in the history."""
    with open_database(database_url).write() as tx:
        found = users.get_user_by_email(tx, email)
        users.update_user(tx, current_actor(), found.user_id, active=False)
    click.echo(f"{found.email} is disabled.")


@user.command(name="reset-factors")
@database_option
@click.argument("email")
@click.option("--reason", required=True, help="Why, and how you made sure who the user is; the audit shows it.")
def user_reset_factors(database_url: str | None, email: str, reason: str) -> None:
    """Remove a user's second factors and recovery codes, and end all of their sessions.

    For somebody who has lost them all, also for the only super admin.
    """
    note = parsed(parse_note, reason, "--reason")
    with open_database(database_url).write() as tx:
        found = users.get_user_by_email(tx, email)
        reset_factors(tx, current_actor(), found.user_id, note)
    click.echo(f"The second factors of {found.email} are removed.")


@click.group()
def token() -> None:
    """Create API tokens for scripts and monitoring."""


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
    help="What the token may do; give the option twice for both.",
)
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The day (UTC) from which the token is refused.")
def token_add(
    database_url: str | None, email: str, name: str, scopes: tuple[str, ...], expires: datetime | None
) -> None:
    """Create an API token for the user EMAIL and print it, once. It acts with the user's current role, never more."""
    shown = parsed(parse_name, name, "--name")
    end = expires.replace(tzinfo=UTC) if expires else None
    with open_database(database_url).write() as tx:
        owner = users.get_user_by_email(tx, email)
        wanted = [Scope(scope) for scope in scopes]
        _, text = create_token(tx, current_actor(), owner.user_id, shown, wanted, end)
    click.echo(text)
