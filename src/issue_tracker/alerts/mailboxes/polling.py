"""Polls a mailbox: each message is processed in its own transaction, and marked after the commit.

If the server is killed in between, the next poll finds the message again, recognizes it by its digest, and marks it.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

import prometheus_client
import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from issue_tracker.alerts.mail.operations import receive_mail
from issue_tracker.alerts.mailboxes.imap import MOST_MESSAGES, Session, Withheld, opened
from issue_tracker.alerts.mailboxes.stored import SCHEDULE, ClaimedMailbox, claim_mailbox
from issue_tracker.alerts.polling.poller import PollFailed
from issue_tracker.alerts.receiver_in_use import hold_receiver
from issue_tracker.alerts.receivers import find_receiver_by_id
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.database.server_key import ServerKey
from issue_tracker.encryption import Undecryptable
from issue_tracker.errors import Invalid, Unavailable
from issue_tracker.settings import Settings

log = structlog.get_logger("issue_tracker.mailboxes")

REFUSED = "refused"

PATIENCE = 3
"""The number of failed polls in a row after which messages that the server does not return are flagged, although it
returns no others, either: it may only be overloaded."""


class ReceiverGone(Exception):
    """The receiver was deleted or switched off while its mailbox was polled."""


class MailboxPolls:
    """The polls of mailboxes."""

    what = "mailbox"
    schedule = SCHEDULE

    def __init__(
        self,
        database: Database,
        settings: Settings,
        server_key: ServerKey,
        registry: CollectorRegistry,
        count: Callable[[str, str, int], None],
    ) -> None:
        """`count` is called with the name of a receiver, an outcome, and the number of alerts that had it."""
        self.enabled = settings.poll_mailboxes
        self._database = database
        self._settings = settings
        self._server_key = server_key
        self._count = count
        self._mails = prometheus_client.Counter(
            "issue_tracker_mailbox_mails",
            "Email messages in mailboxes, by result.",
            ["receiver", "result"],
            registry=registry,
        )

    def claim(self, tx: Connection, receiver_id: int, due_at: datetime, at: datetime) -> ClaimedMailbox | None:
        return claim_mailbox(tx, receiver_id, due_at, at)

    def poll(self, claimed: ClaimedMailbox) -> str | None:
        """Processes the waiting messages. Returns `read`; None if the claim or the receiver became invalid."""
        try:
            password = self._server_key.keyring().decrypt(claimed.password)
        except Undecryptable:
            raise PollFailed("The password was encrypted with another server key. Enter it again.") from None
        with opened(claimed.mailbox, password, self._settings) as session:
            waiting = session.waiting()
            if waiting:
                session.prepare()
            withheld: dict[int, Withheld] = {}
            for read, uid in enumerate(waiting):
                if read == MOST_MESSAGES or session.is_spent():
                    break
                try:
                    self._process(claimed, session, uid)
                except Withheld as refused:
                    withheld[uid] = refused
                except ReceiverGone:
                    return None
            else:
                read = len(waiting)
            self._flag(claimed, session, withheld, others=read > len(withheld))
        with self._database.write() as tx:
            mine = SCHEDULE.note_success(tx, claimed, now(), again=read < len(waiting))
        return "read" if mine else None

    def _flag(self, claimed: ClaimedMailbox, session: Session, withheld: dict[int, Withheld], *, others: bool) -> None:
        """Marks messages that the server does not return. Raises Withheld if that may be due to the server: if it has
        returned no others, and PATIENCE is not exhausted.
        """
        for uid, reason in withheld.items():
            if not others and claimed.failures < PATIENCE:
                raise reason
            self._mails.labels(claimed.receiver_name, self._refused(claimed, str(reason))).inc()
            session.flag(uid)

    def _process(self, claimed: ClaimedMailbox, session: Session, uid: int) -> None:
        """Processes a message and marks it, unless it is no longer there. Raises Withheld and ReceiverGone."""
        size = session.size(uid)
        if size is None:
            return
        if size > self._settings.mail_bytes:
            result = self._refused(claimed, f"The message is larger than {self._settings.mail_bytes} bytes.")
        else:
            content = session.content(uid)
            if content is None:
                return
            result = self._result(claimed, content, session.identity(uid, content))
        self._mails.labels(claimed.receiver_name, result).inc()
        if result == REFUSED:
            session.flag(uid)
        else:
            session.finish(uid)

    def _result(self, claimed: ClaimedMailbox, content: bytes, identity: bytes) -> str:
        """Returns the result for a message, after the commit. Raises Unavailable and ReceiverGone."""
        try:
            try:
                return self._store(claimed, content, identity)
            except Invalid:
                # The cause may be a concurrent change, so a second attempt can succeed.
                return self._store(claimed, content, identity)
        except (Unavailable, ReceiverGone):
            raise
        except Invalid as refused:
            return self._refused(claimed, refused.detail)
        except Exception:  # the message must not delay the others; it is flagged, and the log has the reason
            log.exception("a message of a mailbox failed", receiver=claimed.receiver_id)
            return REFUSED

    def _store(self, claimed: ClaimedMailbox, content: bytes, identity: bytes) -> str:
        with self._database.write() as tx:
            receiver = find_receiver_by_id(tx, claimed.receiver_id)
            if receiver is None or not hold_receiver(tx, receiver.id):
                raise ReceiverGone
            result, outcomes = receive_mail(tx, receiver, content, otherwise=identity)
        for action, count in Counter(outcome.action.value for outcome in outcomes).items():
            self._count(claimed.receiver_name, action, count)
        log.info("mail", receiver=claimed.receiver_id, result=result.value)
        return result.value

    def _refused(self, claimed: ClaimedMailbox, reason: str) -> str:
        log.info("mail refused", receiver=claimed.receiver_id, reason=reason)
        return REFUSED
