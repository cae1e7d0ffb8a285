"""A mail listener in a thread of the test process, and messages that are sent to it with the clients of the standard
library.
"""

import asyncio
import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from issue_tracker.alerts.mail.listener import MailListener
from issue_tracker.server.listening import bound_sockets
from tests.world import World

SENDER = "rmm@monitoring.example"


class Listening:
    """A listener with its port and its metrics."""

    def __init__(self, port: int, registry: CollectorRegistry, protocol: str) -> None:
        self.port = port
        self.registry = registry
        self.protocol = protocol

    def client(self) -> smtplib.SMTP:
        """Opens a connection."""
        kind = smtplib.LMTP if self.protocol == "lmtp" else smtplib.SMTP
        return kind("127.0.0.1", self.port, timeout=20)

    def send(self, recipient: str, message: str | bytes, sender: str = SENDER) -> tuple[int, str]:
        """Sends one message over a new connection. Returns the code and the text of the last reply."""
        with self.client() as client:
            return send(client, recipient, message, sender)

    def counted(self, result: str) -> float:
        """Returns the number of messages, or recipients, with this result."""
        return self.registry.get_sample_value("issue_tracker_mails_total", {"result": result}) or 0


def send(client: smtplib.SMTP, recipient: str, message: str | bytes, sender: str = SENDER) -> tuple[int, str]:
    """Sends a message over a connection. Returns the code and the text of the last reply."""
    content = message if isinstance(message, bytes) else message.encode()
    client.ehlo_or_helo_if_needed()
    for code, text in (client.mail(sender), client.rcpt(recipient)):
        if code >= 300:
            client.rset()
            return code, text.decode()
    code, text = client.data(content)
    return code, text.decode()


@contextmanager
def listening(world: World, protocol: str = "lmtp", **settings: Any) -> Iterator[Listening]:
    """Runs the listener until the block ends."""
    changed = {"mail_protocol": protocol, **settings}
    registry = CollectorRegistry()
    started, stopping = threading.Event(), threading.Event()
    ports: list[int] = []

    async def run() -> None:
        listener = MailListener(world.database, msgspec.structs.replace(world.server.settings, **changed), registry)
        sockets = bound_sockets("127.0.0.1", 0)
        await listener.start(sockets)
        ports.append(sockets[0].getsockname()[1])
        started.set()
        while not stopping.is_set():
            await asyncio.sleep(0.01)
        await listener.stop()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield Listening(ports[0], registry, protocol)
    finally:
        stopping.set()
        thread.join(20)


def given_mail_receiver(world: World, name: str = "RMM", **more: Any) -> str:
    """Creates a receiver of email, and returns its address."""
    made = world.client("ada").call("POST", "/api/alert-receivers", 201, json={"name": name, "kind": "email", **more})
    address: str = made["mail_address"]
    return address


def message(subject: str = "DOWN: Line down", body: str = "Company: Contoso", **headers: str) -> str:
    """Returns a message; the names of `headers` have underscores instead of hyphens."""
    lines = [f"From: RMM <{SENDER}>", f"Subject: {subject}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", body, ""])
