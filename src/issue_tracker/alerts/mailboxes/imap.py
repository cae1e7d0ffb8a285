"""Reads a mailbox over IMAP (RFC 9051, and servers of RFC 3501).

Which messages are new is decided by their flags, so nothing has to be stored here: a message is processed until it is
marked as read or moved, which happens after the commit. A message that cannot be processed, or moved, is flagged and
remains where it is, so that it does not delay the others, and a person finds it.
"""

import hashlib
import imaplib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from issue_tracker.alerts.mailboxes.oauth import access_token
from issue_tracker.alerts.mailboxes.stored import MailboxSettings, Security
from issue_tracker.alerts.polling.poller import PollFailed, shown
from issue_tracker.clock import now
from issue_tracker.outbound.outcomes import Unreachable
from issue_tracker.settings import Settings, networks

if TYPE_CHECKING:
    from issue_tracker.outbound.streams import Stream

log = structlog.get_logger("issue_tracker.mailboxes")

POLL_SECONDS = 60.0
"""Time limit of a poll."""

ENOUGH_SECONDS = 40.0
"""Time after which a poll begins with no further message."""

MOST_MESSAGES = 100
"""Maximum number of messages in one poll; the next one follows at once."""

LARGEST_MESSAGES = 3
"""How many messages of the permitted size one poll reads; it may read more smaller ones."""

OVERHEAD_BYTES = 4_000_000
"""What a server may send in one poll in addition to messages: lists of their numbers above all."""

LONGEST_LINE = 1_000_000

RECENT = timedelta(days=7)
"""Messages that arrived earlier are not processed: the alerts in them are over. Digests are stored for longer."""


class Withheld(PollFailed):
    """The server refuses to return a message, or returns it in an invalid form."""


class Session:
    """An open mailbox. Raises the errors that `opened` turns into PollFailed."""

    def __init__(self, client: Any, mailbox: MailboxSettings, most_bytes: int, deadline: float) -> None:
        self._client = client
        self._mailbox = mailbox
        self._most_bytes = most_bytes
        self._deadline = deadline
        self._read = 0
        selected = client.select_folder(mailbox.folder)
        self._validity = selected.get(b"UIDVALIDITY", 0)

    def waiting(self) -> list[int]:
        """Returns the numbers (UIDs) of the messages that are to be processed, the oldest first."""
        new = [] if self._mailbox.processed_folder is not None else ["UNSEEN"]
        since = (now() - RECENT).date()
        return sorted(self._client.search([*new, "UNFLAGGED", "UNDELETED", "SINCE", since]))

    def is_spent(self) -> bool:
        """Returns whether this poll should leave further messages to the next one."""
        late = time.monotonic() > self._deadline - (POLL_SECONDS - ENOUGH_SECONDS)
        return late or self._read > LARGEST_MESSAGES * self._most_bytes

    def size(self, uid: int) -> int | None:
        """Returns the size of a message in bytes; None if it is no longer there. Raises Withheld."""
        found = self._fetch(uid, "RFC822.SIZE").get(b"RFC822.SIZE")
        return int(found) if isinstance(found, int) else None

    def content(self, uid: int) -> bytes | None:
        """Returns a message, without marking it as read; None if it is no longer there. Raises Withheld."""
        parts = self._fetch(uid, f"BODY.PEEK[]<0.{self._most_bytes}>")
        found = next((value for name, value in parts.items() if name.startswith(b"BODY[")), None)
        if not isinstance(found, bytes):
            return None
        self._read += len(found)
        return found

    def _fetch(self, uid: int, item: str) -> dict[bytes, Any]:
        try:
            found: dict[bytes, Any] = self._client.fetch([uid], [item]).get(uid, {})
        except imaplib.IMAP4.abort:  # the connection has ended
            raise
        except imaplib.IMAP4.error as refused:
            where = f"{self._mailbox.host}:{self._mailbox.port}"
            raise Withheld(f"{where} does not return a message ({shown(str(refused))}).") from None
        return found

    def identity(self, uid: int, content: bytes) -> bytes:
        """Returns a digest of a message and its place, which is the same in the next poll."""
        box = self._mailbox
        place = "\0".join((box.host, str(box.port), box.username, box.folder, str(self._validity), str(uid)))
        return hashlib.sha256(place.encode() + b"\0" + content).digest()

    def prepare(self) -> None:
        """Creates the folder to which messages are moved, if it does not exist."""
        folder = self._mailbox.processed_folder
        if folder is not None and not self._client.folder_exists(folder):
            self._client.create_folder(folder)

    def finish(self, uid: int) -> None:
        """Marks a processed message as read, or moves it; or flags it if the server refuses to move it."""
        folder = self._mailbox.processed_folder
        if folder is None:
            self._client.add_flags([uid], [rb"\Seen"], silent=True)
            return
        try:
            self._move(uid, folder)
        except imaplib.IMAP4.abort:  # the connection has ended
            raise
        except imaplib.IMAP4.error as refused:
            # The folder may be full. Without the flag, all later polls would read the same messages first.
            log.warning("a processed message was not moved", host=self._mailbox.host, reason=shown(str(refused)))
            self.flag(uid)

    def _move(self, uid: int, folder: str) -> None:
        if self._client.has_capability("MOVE"):
            self._client.move([uid], folder)
        else:
            self._client.copy([uid], folder)
            self._client.delete_messages([uid], silent=True)
            # Without UIDPLUS, this message cannot be removed without others that are marked as deleted.
            if self._client.has_capability("UIDPLUS"):
                self._client.uid_expunge([uid])

    def flag(self, uid: int) -> None:
        """Marks a message that cannot be processed or moved."""
        self._client.add_flags([uid], [rb"\Flagged"], silent=True)


@contextmanager
def opened(mailbox: MailboxSettings, password: str, settings: Settings) -> Iterator[Session]:
    """Signs in to a mailbox until the block ends, for at most POLL_SECONDS. Raises PollFailed.

    With OAuth, `password` is the client secret.
    """
    from imapclient.exceptions import LoginError  # noqa: PLC0415 - most servers poll no mailbox

    from issue_tracker.outbound.streams import Stream  # noqa: PLC0415 - loads httpcore

    where = f"{mailbox.host}:{mailbox.port}"
    stream = None
    token = access_token(mailbox, password, settings) if mailbox.token_url is not None else None
    try:
        stream = Stream(
            mailbox.host,
            mailbox.port,
            allowed=networks(settings.mailbox_allowed_networks),
            seconds=POLL_SECONDS,
            most_bytes=(LARGEST_MESSAGES + 1) * settings.mail_bytes + OVERHEAD_BYTES,
            ca_file=settings.mailbox_ca_file,
        )
        client = _client(mailbox, stream)
        if token is not None:
            client.oauth2_login(mailbox.username, token)
        elif client.has_capability("AUTH=PLAIN"):
            # Unlike LOGIN, this permits all characters in passwords.
            client.plain_login(mailbox.username, password)
        else:
            client.login(mailbox.username, password)
        yield Session(client, mailbox, settings.mail_bytes, stream.deadline)
        with suppress(Unreachable, *_FAILURES):
            client.logout()
    except Unreachable as failed:
        raise PollFailed(f"{where} cannot be read: {failed}.") from None
    except LoginError as refused:
        # The response may quote the command.
        what = "password" if token is None else "access token"
        if isinstance(refused.__context__, imaplib.IMAP4.abort) or _UNAVAILABLE in str(refused):
            raise PollFailed(f"{where} cannot check the user name and the {what} at present.") from None
        raise PollFailed(f"{where} does not accept the user name and the {what}.") from None
    except UnicodeEncodeError:
        # Its message quotes a character of the password.
        raise PollFailed(f"{where} accepts only user names and passwords of ASCII characters.") from None
    except _FAILURES as failed:
        raise PollFailed(f"{where} cannot be read ({type(failed).__name__}: {shown(str(failed))}).") from None
    finally:
        if stream is not None:
            stream.close()


_UNAVAILABLE = "[UNAVAILABLE]"
"""The response code of a server that cannot reach its directory of users (RFC 5530)."""

_FAILURES = (imaplib.IMAP4.error, ValueError, TypeError, LookupError, AssertionError, AttributeError, RecursionError)
"""What imaplib and IMAPClient raise for the responses of a server that refuses something, or is broken or hostile."""


def _client(mailbox: MailboxSettings, stream: "Stream") -> Any:
    """Returns a client on a connection of `outbound`. The library itself would connect to any address."""
    from imapclient import IMAPClient  # noqa: PLC0415 - most servers poll no mailbox

    class Client(IMAPClient):  # type: ignore[misc]  # the library has no type annotations
        def _create_IMAP4(self) -> imaplib.IMAP4:
            return _Connection(stream, tls=mailbox.security is Security.TLS)

        def _set_read_timeout(self) -> None:
            """The connection has its own limits."""

    # At the level debug, the library logs whole messages.
    logging.getLogger("imapclient").setLevel(logging.WARNING)
    return Client(mailbox.host, mailbox.port, ssl=False)


class _Connection(imaplib.IMAP4):
    """The standard library's client on an existing connection, which is encrypted before anything secret is sent."""

    def __init__(self, stream: "Stream", *, tls: bool) -> None:
        self._stream = stream
        if tls:
            stream.start_tls()
        super().__init__()
        if not tls:
            # Raises an error if the server claims, without encryption, that the user is already signed in.
            response, _ = self._simple_command("STARTTLS")
            if response != "OK":
                raise self.error("the server does not support STARTTLS")
            stream.start_tls()
            self._get_capabilities()

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        pass

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def readline(self) -> bytes:
        return self._stream.read_line(LONGEST_LINE)

    # The declared type of the base class accepts any buffer; imaplib itself sends only bytes.
    def send(self, data: bytes) -> None:  # type: ignore[override]  # imaplib itself sends only bytes
        self._stream.write(data)

    def shutdown(self) -> None:
        self._stream.close()
