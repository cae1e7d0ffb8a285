"""Commands that run until they are stopped: `serve`, `worker` and `mail`."""

import gc
import os
import secrets
import signal
import sys
import threading
from ipaddress import ip_address
from typing import Any

import click
import structlog

from issue_tracker import settings
from issue_tracker.auth.first_start import no_users, offer_setup
from issue_tracker.cli import databases
from issue_tracker.cli.databases import database_option, open_database
from issue_tracker.cli.failures import CommandError
from issue_tracker.clock import now
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.logs import configure_logs
from issue_tracker.settings import PREFIX, Settings
from issue_tracker.settings.providers import read_secret

log = structlog.get_logger("issue_tracker.servers")


@click.command()
@database_option
@click.option("--host", help="The address to listen on.  [127.0.0.1]")
@click.option("--port", type=int, help="The port to listen on.  [8000]")
@click.option("--workers", type=int, help="The number of server processes.  [1]")
@click.option("--public-url", metavar="URL", help="The address that browsers use.  [http://HOST:PORT]")
def serve(**options: Any) -> None:
    """Serve the pages and the API.

    On SQLite, the schema is migrated automatically. On PostgreSQL, the server does not start with an old schema: run
    `issue-tracker migrate` once, then start any number of nodes.
    """
    _stop_cleanly()
    loaded = settings.load(**options)
    given = [os.environ.get(f"{PREFIX}PUBLIC_URL{file}") for file in ("", "_FILE")]
    if not options["public_url"] and not any(given):
        host = f"[{loaded.host}]" if ":" in loaded.host else loaded.host
        options["public_url"] = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{loaded.port}"
        loaded = settings.load(**options)
    _require_secrets(loaded)
    setup_token = prepare(loaded)
    _announce(_welcome(loaded, setup_token))
    for name, value in options.items():
        if value is not None:
            # The server processes read the environment, and reject a setting that is set twice.
            os.environ.pop(f"{PREFIX}{name.upper()}_FILE", None)
            os.environ[PREFIX + name.upper()] = str(value)
    configure_logs(loaded)
    for warning in (*_missing_proxy(loaded), *_missing_password_sign_in(loaded)):
        log.warning(warning)
    _run(loaded)


def _missing_proxy(loaded: Settings) -> list[str]:
    """Returns warnings about a server on an address that others can reach, and what only a reverse proxy prevents."""
    if _loopback(loaded.host):
        return []
    warnings = []
    if not loaded.https:
        warnings.append(
            "The public URL is not https: passwords and sessions pass the network in the clear. Put a reverse proxy "
            "with TLS in front of this server (docs/operations.md)."
        )
    if not loaded.trusted_proxies:
        warnings.append(
            "No trusted proxy is set. This server limits the connections of one address, but only a reverse proxy "
            "limits those from many (docs/operations.md)."
        )
    return warnings


def _missing_password_sign_in(loaded: Settings) -> list[str]:
    if loaded.password_sign_in or loaded.break_glass_accounts.strip():
        return []
    return [
        "Nobody can sign in with a password. Name a break-glass account; without one, only `issue-tracker user` works "
        "if the identity provider fails (docs/sign-in.md)."
    ]


def _require_secrets(loaded: Settings) -> None:
    """Raises CommandError that names every client secret file that cannot be read."""
    wrong = []
    for provider in loaded.providers:
        try:
            read_secret(provider)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            wrong.append(f"client_secret_file of the identity provider “{provider.id}” cannot be read: {reason}")
    if wrong:
        raise CommandError(f"{'; '.join(wrong)}.")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def prepare(loaded: Settings) -> str | None:
    """Prepares the database before servers start: afterwards its schema is current.

    Returns the token of the link that creates the first super admin; None if there is a user. Raises CommandError or
    SchemaMismatch if a PostgreSQL database must be migrated first.
    """
    database = Database(loaded)
    try:
        if database.sqlite:
            databases.upgrade(database)
        with database.read() as tx:
            migrate.check(tx)
            first_start = no_users(tx)
        if not first_start:
            return None
        token = secrets.token_urlsafe(24)
        with database.write() as tx:
            offer_setup(tx, token, now())
        return token
    finally:
        database.close()


def _welcome(loaded: Settings, setup_token: str | None) -> str:
    lines = [f"Issue Tracker serves {loaded.public_url}"]
    if setup_token is not None:
        lines += [
            "There is no user yet. Create the first super admin with this link, which works once, within 24 hours:",
            f"\n    {loaded.public_url.rstrip('/')}/setup?token={setup_token}\n",
            "To try the product out, fill the database with an invented helpdesk instead: issue-tracker demo",
        ]
    return "\n".join(lines)


def _announce(text: str) -> None:
    """Prints a message before the command continues. Fails if nothing reads it, because the rest would be lost, too."""
    try:
        click.echo(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise CommandError(f"{error.filename}: {error.strerror}.") from None


def _run(loaded: Settings) -> None:
    """Serves until the process is stopped: in this process, or in several, according to the settings."""
    # Imported here, because no other command needs a server, which is slow to load.
    import uvicorn  # noqa: PLC0415 - slow to load

    from issue_tracker.cli.supervisor import APPLICATION, Supervisor, server_options  # noqa: PLC0415 - loads uvicorn
    from issue_tracker.server import shared_slots  # noqa: PLC0415 - loads the server
    from issue_tracker.server.connections import allow_descriptors  # noqa: PLC0415 - loads the server
    from issue_tracker.server.listening import bound_sockets  # noqa: PLC0415 - loads the server

    options = server_options(loaded)
    allow_descriptors()
    try:
        loaded.host.encode("idna")
    except UnicodeError:
        raise CommandError(f"{PREFIX}HOST is not the name of a host: {loaded.host}.") from None
    try:
        listeners = bound_sockets(loaded.host, loaded.port)
        if loaded.workers == 1:
            gc.disable()  # until the application is loaded and ready: loading creates no garbage
            uvicorn.Server(uvicorn.Config(APPLICATION, **options)).run(sockets=listeners)
            return
    except OSError as error:
        raise CommandError(f"The server cannot start on {loaded.host}:{loaded.port}: {error.strerror}.") from None
    except SystemExit as ended:
        if ended.code:
            raise CommandError("The server cannot start; the line above says why.") from None
        raise
    if loaded.metrics:
        from issue_tracker.server.shared_metrics import share_between_workers  # noqa: PLC0415 - slow to load

        share_between_workers()
    shared_slots.share_between_workers()
    if not Supervisor(options, listeners, loaded.workers).run():
        raise CommandError("A server process ended before it was ready; the lines above say why.")


def _stop_cleanly() -> None:
    """Makes the signals that ask a program to end exit with success; a server completes its open requests before.

    A command that handles them itself replaces the handlers of SIGINT and SIGTERM when it has started. With `nohup`,
    SIGHUP remains ignored.
    """
    # uvicorn handles SIGINT and SIGTERM while it runs, and raises them again when it has stopped.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


@click.command()
@database_option
def worker(database_url: str | None) -> None:
    """Deliver webhook messages, for servers that do not. Any number of workers may run, on any machine."""
    # Imported here, because no other command needs an HTTP client, which is slow to load.
    from issue_tracker.events.delivery import Deliverer  # noqa: PLC0415 - loads an HTTP client

    _stop_cleanly()
    loaded = settings.load(database_url=database_url)
    database = open_database(database_url)
    configure_logs(loaded)
    deliverer = Deliverer(database, loaded)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=deliverer.run, name="deliverer", daemon=True).start()
    _announce("Delivering webhook messages.")
    stopping.wait()
    deliverer.close()


@click.command()
@database_option
@click.option("--host", help="The address to listen on.  [127.0.0.1]")
@click.option("--port", type=int, help="The port to listen on.  [8025]")
@click.option("--protocol", type=click.Choice(["lmtp", "smtp"]), help="The protocol.  [lmtp]")
def mail(database_url: str | None, host: str | None, port: int | None, protocol: str | None) -> None:
    """Receive alerts by email from a mail server, for receivers of email only."""
    # Imported here, because only this command needs them.
    import asyncio  # noqa: PLC0415 - slow to load

    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415 - slow to load

    from issue_tracker.alerts.mail.listener import MailListener  # noqa: PLC0415 - loads the mail server
    from issue_tracker.alerts.receivers import find_receiver_by_id  # noqa: PLC0415 - loads alerts
    from issue_tracker.server.listening import bound_sockets  # noqa: PLC0415 - loads the server

    _stop_cleanly()
    loaded = settings.load(database_url=database_url, mail_host=host, mail_port=port, mail_protocol=protocol)
    database = open_database(database_url)
    with database.read() as tx:
        find_receiver_by_id(tx, 0)  # a missing privilege is reported at the start, not to the first sender
    configure_logs(loaded)
    if not _loopback(loaded.mail_host):
        log.warning("mail passes the network in the clear: only the mail server should reach this address")
    registry = CollectorRegistry()
    listener = MailListener(database, loaded, registry)

    async def listen() -> None:
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        await listener.start(bound_sockets(loaded.mail_host, loaded.mail_port))
        if loaded.mail_metrics_port:
            try:
                start_http_server(loaded.mail_metrics_port, loaded.mail_host, registry)
            except OSError as error:
                where = f"{loaded.mail_host}:{loaded.mail_metrics_port}"
                raise CommandError(f"Metrics cannot be served on {where}: {error.strerror or error}.") from None
        _announce(f"Receiving alerts by {loaded.mail_protocol.upper()} on {loaded.mail_host}:{loaded.mail_port}.")
        await stopping.wait()
        await listener.stop()

    try:
        asyncio.run(listen())
    except OSError as error:
        where = f"{loaded.mail_host}:{loaded.mail_port}"
        raise CommandError(f"Mail cannot be received on {where}: {error.strerror or error}.") from None
