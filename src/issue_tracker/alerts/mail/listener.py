"""A small mail server that accepts only alerts, over LMTP or SMTP, based on aiosmtpd.

A recipient is accepted only if its address contains the secret of an active receiver of email: nothing is relayed or
queued. A message is acknowledged after its transaction has been committed. A message that was not acknowledged is sent
again by the mail server, and recognized if it was committed.
"""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Metric
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.alerts.mail.operations import MailResult, receive_mail
from issue_tracker.alerts.models import AlertOutcome
from issue_tracker.alerts.receivers import Receiver, find_receiver
from issue_tracker.alerts.senders import Kind
from issue_tracker.database.engine import Database
from issue_tracker.errors import AppError, Invalid
from issue_tracker.settings import Settings

log = structlog.get_logger("issue_tracker.mail")

IDLE_SECONDS = 60.0
SESSION_SECONDS = 600.0
"""Maximum duration of a connection; a mail server then opens another one."""

THREADS = 4
"""Maximum number of messages that are parsed and stored at the same time."""

COMMANDS = 1000
"""Maximum number of times that a connection may send the same command."""

LONGEST_LINE = 1024 * 1024
"""Maximum length of a line in bytes. RFC 5322 allows 998, but some programs send whole HTML pages in one line."""

CLOSE_SECONDS = 10.0

NOBODY = "<>"
"""The empty return path of bounces."""

UNKNOWN = "550 5.1.1 No such recipient here"
ONE_RECIPIENT = "452 4.5.3 One recipient for each message"
LATER = "451 4.3.0 Try again later"
TOO_MANY = b"421 4.7.0 Too many connections, try again later\r\n"

# aiosmtpd logs commands with their addresses, which contain secrets. A filter, unlike a level, survives a later
# configuration of the logs.
for _name in ("mail.log", "mail.debug"):
    logging.getLogger(_name).addFilter(lambda _: False)

_secret = re.compile(r"(?:[^@]*\+)?([0-9a-f]{40})@[^@]*", re.IGNORECASE)


class MailMetrics:
    """Counts messages and unknown recipients by result."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._total = Metric(
            "issue_tracker_mails",
            "Email messages and recipients, by result.",
            ["result"],
            registry=registry,
        )

    def count(self, result: str) -> None:
        """Counts one message. `result` is one of a few constants."""
        self._total.labels(result).inc()


class MailListener:
    """One listener. `start` and `stop` must be called on the same event loop."""

    def __init__(self, database: Database, settings: Settings, registry: CollectorRegistry) -> None:
        self._database = database
        self._settings = settings
        self._metrics = MailMetrics(registry)
        self._threads = ThreadPoolExecutor(THREADS, "mail")
        self._open: set[_Connection] = set()
        self._servers: list[asyncio.Server] = []

    # Only modules that connect or bind may import `socket`, the type of the sockets.
    async def start(self, sockets: Iterable[Any]) -> None:
        """Starts listening on bound sockets, which it closes when it stops. Raises OSError if one cannot be used."""
        protocol = _Lmtp if self._settings.mail_protocol == "lmtp" else _Smtp
        options: dict[str, Any] = {
            "data_size_limit": self._settings.mail_bytes,
            "enable_SMTPUTF8": True,
            "hostname": "issue-tracker",
            "ident": "ready",
            "timeout": IDLE_SECONDS,
            "command_call_limit": COMMANDS,
            "loop": asyncio.get_running_loop(),
        }
        loop = asyncio.get_running_loop()
        self._servers = [await loop.create_server(lambda: protocol(self, **options), sock=one) for one in sockets]

    async def stop(self) -> None:
        """Stops listening, and waits until received messages have been stored, at most CLOSE_SECONDS."""
        for server in self._servers:
            server.close()
        deadline = asyncio.get_running_loop().time() + CLOSE_SECONDS
        while any(each.busy for each in self._open) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        for each in list(self._open):
            each.abort()
        self._threads.shutdown(wait=False)

    def enter(self, connection: "_Connection") -> bool:
        """Registers a connection. Returns False if there are already `mail_connections` open connections."""
        if len(self._open) >= self._settings.mail_connections:
            self._metrics.count("connection_refused")
            return False
        self._open.add(connection)
        return True

    def leave(self, connection: "_Connection") -> None:
        self._open.discard(connection)

    # Called by aiosmtpd, which defines the signatures.

    async def handle_MAIL(
        self, server: "_Connection", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        # aiosmtpd treats an empty address as a missing one.
        envelope.mail_from = address or NOBODY
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: "_Connection", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            return ONE_RECIPIENT
        found = _secret.fullmatch(address)
        known = found is not None and await self._run(self._find, found[1].lower())
        if not known:
            self._metrics.count("unknown_recipient")
            # The address of the recipient is not logged, because it may be a mistyped secret.
            log.info("mail for an unknown recipient", address=session.peer[0] if session.peer else None)
            return UNKNOWN
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: "_Connection", session: Session, envelope: Envelope) -> str:
        server.busy = True
        try:
            status: str = await self._run(self._take, envelope)
            return status
        finally:
            server.busy = False

    async def handle_exception(self, error: Exception) -> str:
        if not isinstance(error, AppError | SQLAlchemyError):
            log.error("receiving mail failed", exc_info=error)
        self._metrics.count("failed")
        return LATER

    async def _run(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _find(self, secret: str) -> Receiver | None:
        with self._database.read() as tx:
            return find_receiver(tx, Kind.EMAIL.value, secret)

    def _take(self, envelope: Envelope) -> str:
        """Processes the message in one transaction, and returns the SMTP reply."""
        found = _secret.fullmatch(envelope.rcpt_tos[0])
        receiver = self._find(found[1].lower()) if found else None
        if receiver is None:
            # The receiver was deleted or disabled in the meantime.
            return UNKNOWN
        content = envelope.original_content or b""
        try:
            result, outcomes = self._store(receiver, content, envelope)
        except Invalid:
            # The cause may be a concurrent change, so a second attempt can succeed.
            try:
                result, outcomes = self._store(receiver, content, envelope)
            except Invalid as refused:
                self._metrics.count("refused")
                log.info("mail refused", receiver=receiver.id, reason=refused.detail)
                return f"550 5.6.0 {_reply(refused.detail)}"
        self._metrics.count(result.value)
        actions = Counter(outcome.action.value for outcome in outcomes)
        log.info("mail", receiver=receiver.id, result=result.value, **actions)
        return f"250 2.0.0 Message {result.value}"

    def _store(self, receiver: Receiver, content: bytes, envelope: Envelope) -> tuple[MailResult, list[AlertOutcome]]:
        with self._database.write() as tx:
            return receive_mail(tx, receiver, content, null_sender=envelope.mail_from == NOBODY)


class _Connection(SMTP):
    """A connection with a limited duration, of which a limited number may be open."""

    line_length_limit = LONGEST_LINE
    busy = False
    """Whether a completely received message is being stored."""

    event_handler: MailListener
    _entered = False
    _received = 0

    def connection_made(self, transport: Any) -> None:
        self._entered = self.event_handler.enter(self)
        if not self._entered:
            transport.write(TOO_MANY)
            transport.close()
            return
        self._end = asyncio.get_running_loop().call_later(SESSION_SECONDS, transport.abort)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._entered:
            self._end.cancel()
            self.event_handler.leave(self)
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        # aiosmtpd buffers a line without limit.
        self._received += len(data)
        if self._received > 2 * (self.data_size_limit or 0) + LONGEST_LINE:
            self.abort()
        elif self._entered:
            super().data_received(data)

    async def smtp_DATA(self, arg: str) -> None:
        self._received = 0
        await super().smtp_DATA(arg)
        self._received = 0

    def abort(self) -> None:
        """Closes the connection immediately."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _Smtp(_Connection):
    pass


class _Lmtp(_Connection, LMTP):
    pass


def _reply(sentence: str) -> str:
    """Returns a sentence as the text of a reply, which is one line of ASCII."""
    return sentence.encode("ascii", "replace").decode().replace("\n", " ")[:400]
