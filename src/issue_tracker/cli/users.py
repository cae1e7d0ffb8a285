"""The commands `user …` and `token …`."""

from datetime import datetime

import click
from sqlalchemy import Connection

from issue_tracker import settings
from issue_tracker.actor import Role
from issue_tracker.auth import users
from issue_tracker.auth.company_access import set_company_access
from issue_tracker.auth.factors.stored import reset_factors
from issue_tracker.auth.passwords import hash_new_password
from issue_tracker.auth.tokens import Scope, create_token
from issue_tracker.auth.user_names import parse_display_name, parse_email
from issue_tracker.cli.arguments import parse_day, parsed, password_from
from issue_tracker.cli.databases import current_actor, database_option, open_database
from issue_tracker.cli.failures import CommandError
from issue_tracker.companies.groups.queries import get_groups
from issue_tracker.companies.queries import get_companies
from issue_tracker.company_access.grants import Grant
from issue_tracker.names import parse_name, parse_note

password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input; on a terminal, prompt for it."
)


company_options = (
    click.option("--company", "companies", multiple=True, metavar="NAME", help="A visible company; may be repeated."),
    click.option(
        "--company-group", "groups", multiple=True, metavar="NAME", help="A visible company group; may be repeated."
    ),
)


def _granted(tx: Connection, companies: tuple[str, ...], groups: tuple[str, ...]) -> Grant | None:
    """Returns the grant that the options describe; None without any."""
    if not companies and not groups:
        return None
    found = get_companies(tx, current_actor(), companies)
    return Grant(
        [company.company_id for company in found.values()],
        [group.group_id for group in get_groups(tx, current_actor(), groups)],
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
@click.option(
    "--service-account", is_flag=True, help="Nobody can sign in to the account; programs use its tokens (token add)."
)
@company_options[0]
@company_options[1]
def user_add(
    database_url: str | None,
    email: str,
    name: str,
    role: str,
    password_stdin: bool,
    service_account: bool,
    companies: tuple[str, ...],
    groups: tuple[str, ...],
) -> None:
    """Add a user. Without --password-stdin a password is generated and printed once.

    With --company or --company-group, the user sees only these companies. Otherwise, a customer sees none, and all
    other roles see all.
    """
    if service_account and password_stdin:
        raise CommandError("A service account has no password, because nobody can sign in to it.")
    address, shown = parsed(parse_email, email, "EMAIL"), parsed(parse_display_name, name, "--name")
    password, generated = password_from(password_stdin) if not service_account else (None, False)
    fresh = None if password is None else hash_new_password(password, email=address, name=shown)
    with open_database(database_url).write() as tx:
        added = users.create_user(
            tx, current_actor(), address, shown, Role(role), fresh, service_account=service_account
        )
        grant = _granted(tx, companies, groups)
        if grant is not None:
            set_company_access(tx, current_actor(), added.user_id, grant)
    click.echo(f"Added {address}.")
    if generated:
        click.echo(f"Password: {password}")


@user.command(name="list")
@database_option
def user_list(database_url: str | None) -> None:
    """List all users: email address, role, state and name, separated by tabs.

    The state is `active`, `disabled` or, for an active one, `service account`.
    """
    with open_database(database_url).read() as tx:
        found = users.list_users(tx, current_actor())
    for one in found:
        kind = "service account" if one.service_account else "active"
        click.echo(f"{one.email}\t{one.role}\t{kind if one.active else 'disabled'}\t{one.name}")


@user.command(name="password")
@database_option
@click.argument("email")
@password_stdin
def user_password(database_url: str | None, email: str, password_stdin: bool) -> None:
    """Set a user's password, end all of their sessions, and revoke all of their tokens.

    Without --password-stdin a password is generated and printed once.
    """
    password, generated = password_from(password_stdin)
    database = open_database(database_url)
    with database.read() as tx:
        found = users.get_user_by_email(tx, email)
    fresh = hash_new_password(password, email=found.email, name=found.name)
    with database.write() as tx:
        users.update_user(tx, current_actor(), found.user_id, password_hash=fresh)
    click.echo(f"The password of {found.email} has been set.")
    if generated:
        click.echo(f"Password: {password}")


@user.command(name="disable")
@database_option
@click.argument("email")
def user_disable(database_url: str | None, email: str) -> None:
    """Disable a user, end all of their sessions, and revoke all of their tokens. Their name stays in the history."""
    with open_database(database_url).write() as tx:
        found = users.get_user_by_email(tx, email)
        users.update_user(tx, current_actor(), found.user_id, active=False)
    click.echo(f"{found.email} is disabled.")


@user.command(name="reset-factors")
@database_option
@click.argument("email")
@click.option("--reason", required=True, help="Why, and how you verified the user's identity; the audit shows it.")
def user_reset_factors(database_url: str | None, email: str, reason: str) -> None:
    """Remove a user's second factors and recovery codes, and end all of their sessions.

    Use it for a user who has lost all of them, even if that is the only super admin.
    """
    note = parsed(parse_note, reason, "--reason")
    with open_database(database_url).write() as tx:
        found = users.get_user_by_email(tx, email)
        reset_factors(tx, current_actor(), found.user_id, note)
    click.echo(f"The second factors of {found.email} have been removed.")


@click.group()
def token() -> None:
    """Create API tokens for scripts and monitoring."""


@token.command(name="add")
@database_option
@click.argument("email")
@click.option("--name", required=True, help="The history shows it as the channel: token:NAME.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What the token may do; give the option twice for both.",
)
@click.option(
    "--expires",
    type=parse_day,
    metavar="YYYY-MM-DD",
    help="The day (UTC) from which the token is refused.",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    metavar="CIDR",
    help="Accept the token only from this network; may be repeated.",
)
@company_options[0]
@company_options[1]
def token_add(
    database_url: str | None,
    email: str,
    name: str,
    scopes: tuple[str, ...],
    expires: datetime | None,
    networks: tuple[str, ...],
    companies: tuple[str, ...],
    groups: tuple[str, ...],
) -> None:
    """Create an API token for the user EMAIL and print it, once. It has the user's current role, and never more rights.

    With --company or --company-group, it sees only these companies, and only those that the user may see.
    """
    shown = parsed(parse_name, name, "--name")
    loaded = settings.load(database_url=database_url)
    with open_database(database_url).write() as tx:
        owner = users.get_user_by_email(tx, email)
        wanted = [Scope(scope) for scope in scopes]
        grant = _granted(tx, companies, groups)
        _, text = create_token(
            tx, loaded, current_actor(), owner.user_id, shown, wanted, expires, networks=networks, grant=grant
        )
    click.echo(text)
