"""An IMAP server (pymap) in a thread of the test process, and a poller of the mailboxes on it."""

import asyncio
import imaplib
import logging
import ssl
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry
from proxyprotocol.noop import ProxyProtocolNoop
from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import DictBackend, Identity
from pymap.exceptions import InvalidAuth
from pymap.imap import IMAPServer
from pysasl import SASLAuth
from pysasl.creds.external import ExternalCredentials, ExternalVerificationRequired
from pysasl.hashing import BuiltinHash

from issue_tracker.alerts.mailboxes.polling import MailboxPolls
from issue_tracker.alerts.mailboxes.stored import ClaimedMailbox
from issue_tracker.alerts.polling.poller import Polling
from issue_tracker.database.server_key import ServerKey
from issue_tracker.server.metrics import AlertMetrics
from tests.alerts.mail.sending import given_mail_receiver
from tests.world import World

logging.getLogger("pymap").setLevel(logging.WARNING)  # at the level debug, it logs passwords

USER, PASSWORD = "alerts@monitoring.example", "pässword with spaces"
TOKEN = "eyJ0eXAi.access-token_~+/=="
"""The access token with which XOAUTH2 succeeds."""


class MailServer:
    """The server: its ports, the file with its certificate, and what its users do with an ordinary mail program."""

    def __init__(self, tls_port: int, starttls_port: int, certificate: Path) -> None:
        self.tls_port = tls_port
        self.starttls_port = starttls_port
        self.certificate = certificate

    @contextmanager
    def folder(self, name: str = "INBOX") -> Iterator[imaplib.IMAP4_SSL]:
        """Opens a folder with the client of the standard library."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        with imaplib.IMAP4_SSL("127.0.0.1", self.tls_port, ssl_context=context, timeout=20) as client:
            client.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode())
            client.select(name)
            yield client

    def deliver(self, *messages: str | bytes, folder: str = "INBOX", at: datetime | None = None) -> None:
        """Delivers messages."""
        arrived = imaplib.Time2Internaldate(at or datetime.now(UTC))
        with self.folder() as client:
            for content in messages:
                raw = content if isinstance(content, bytes) else content.encode()
                assert client.append(folder, "", arrived, raw)[0] == "OK"

    def count(self, criterion: str = "ALL", folder: str = "INBOX") -> int:
        """Returns how many messages in a folder match."""
        with self.folder(folder) as client:
            return len(client.search(None, criterion)[1][0].split())


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Writes a certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = built.add_extension(address, critical=False).sign(key, hashes.SHA256())
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return certificate, secret


def accept_tokens(config: Any, login: Any) -> None:
    """Makes the server offer XOAUTH2, and accept TOKEN for USER. By itself, it only accepts passwords."""
    mechanisms = SASLAuth.named([b"PLAIN", b"LOGIN", b"XOAUTH2"])
    config.__class__ = type("Config", (config.__class__,), {"tls_auth": property(lambda _: mechanisms)})
    by_password = login.authenticate

    async def authenticate(credentials: Any) -> Identity:
        if not isinstance(credentials, ExternalCredentials):
            found: Identity = await by_password(credentials)
            return found
        try:
            credentials.verify(None)
        except ExternalVerificationRequired as required:
            if (required.token, credentials.authzid) == (TOKEN, USER):
                return Identity(USER, login, None, frozenset())
        raise InvalidAuth

    login.authenticate = authenticate


@contextmanager
def mail_server(folder: Path) -> Iterator[MailServer]:
    """Runs the server until the block ends. Its files are in the folder."""
    certificate, key = write_certificate(folder)
    started = threading.Event()
    ports: list[int] = []
    stop: list[Any] = []

    async def run() -> None:
        arguments = {"demo_data": False, "demo_user": USER, "demo_password": PASSWORD, "tls": True, "debug": False}
        arguments |= {"cert": str(certificate), "key": str(key), "host": None, "port": "0", "proxy_protocol": None}
        arguments |= {"passlib_cfg": None, "inherited_sockets": None, "skip_services": []}
        hash_context = BuiltinHash(rounds=1)  # the server hashes passwords, by default as slowly as a real one must
        backend, config = await DictBackend.init(Namespace(**arguments), hash_context=hash_context)
        config.apply_context()
        accept_tokens(config, backend.login)
        serve = ProxyProtocolReader(ProxyProtocolNoop()).get_callback(IMAPServer(backend.login, config))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        servers = [await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) for tls in (context, None)]
        ports.extend(server.sockets[0].getsockname()[1] for server in servers)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(ended.set))
        started.set()
        await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield MailServer(ports[0], ports[1], certificate)
    finally:
        stop[0]()
        thread.join(20)


class Poller:
    """A process that polls; `poll` advances the clock to the next poll of each mailbox first."""

    def __init__(self, world: World, server: MailServer, **settings: Any) -> None:
        self.world = world
        self.registry = CollectorRegistry()
        changed = {"mailbox_allowed_networks": "127.0.0.0/8", "mailbox_ca_file": str(server.certificate), **settings}
        own = msgspec.structs.replace(world.server.settings, **changed)
        key, count = ServerKey(world.database, own), AlertMetrics(self.registry).taken
        self.polls = MailboxPolls(world.database, own, key, self.registry, count)
        self.polling: Polling[ClaimedMailbox] = Polling(world.database, self.polls, self.registry)

    def poll(self, minutes: float = 1) -> int:
        self.world.clock.advance(minutes=minutes)
        return self.polling.poll_due(self.world.clock.now())

    def counted(self, result: str, metric: str = "mails") -> float:
        labels = {"receiver": "RMM", "result": result}
        return self.registry.get_sample_value(f"issue_tracker_mailbox_{metric}_total", labels) or 0


def mailbox(server: MailServer, **more: Any) -> dict[str, Any]:
    """Returns a mailbox on the server, as the API accepts it."""
    settings = {"host": "127.0.0.1", "port": server.tls_port, "username": USER, "password": PASSWORD}
    return settings | more


def given_mailbox(world: World, server: MailServer, **more: Any) -> int:
    """Creates a receiver of email with a mailbox on the server."""
    given_mail_receiver(world)
    receiver_id: int = world.client("ada").call("GET", "/api/alert-receivers", 200)["items"][0]["id"]
    path = f"/api/alert-receivers/{receiver_id}/mailbox"
    made = world.client("ada").call("PUT", path, 200, json=mailbox(server, **more))
    assert PASSWORD not in str(made)
    return receiver_id


def health(world: World) -> dict[str, Any]:
    """Returns the mailbox of the only receiver, as administrators see it."""
    [receiver] = world.client("ada").call("GET", "/api/alert-receivers", 200)["items"]
    found: dict[str, Any] = receiver["mailbox"]
    return found
