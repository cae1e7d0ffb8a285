"""Processes an email message for a receiver exactly once, however often it is delivered."""

from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, select, update

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.alerts.mail.message import Automatic, Mail, read_mail
from issue_tracker.alerts.mail.patterns import MailPatterns, find_alert, require_valid
from issue_tracker.alerts.messages import receive_alerts
from issue_tracker.alerts.models import AlertOutcome, AlertState
from issue_tracker.alerts.receivers import Receiver
from issue_tracker.alerts.rule_list import Trial, try_rules
from issue_tracker.alerts.senders import bounded
from issue_tracker.clock import now
from issue_tracker.database.pruning import delete_piece
from issue_tracker.database.tables import alert_receivers, received_mails
from issue_tracker.database.upserts import upsert

LONGEST_EXAMPLE = 20_000
"""Maximum length of the stored last message in characters; super admins try patterns on it."""


class MailResult(StrEnum):
    """The result for a message: processed, processed before, or ignored as automatic."""

    TAKEN = "taken"
    REPEATED = "repeated"
    IGNORED = "ignored"


class MailTrial(msgspec.Struct, frozen=True, kw_only=True):
    """What patterns find in a message, and the result of the rules for the alert.

    `automatic` is the reason why the message would be ignored; null if it would not be.
    """

    automatic: Automatic | None
    key: str
    state: AlertState
    labels: dict[str, str]
    summary: str | None
    outcome: Trial


def receive_mail(
    tx: Connection,
    receiver: Receiver,
    content: bytes,
    request_id: str = "",
    *,
    null_sender: bool = False,
    otherwise: bytes | None = None,
) -> tuple[MailResult, list[AlertOutcome]]:
    """Processes a message according to the receiver's patterns and the rules, unless it was processed before.

    `otherwise` is a digest that identifies a message without a Message-ID. `null_sender`: its return path is empty.
    Raises Invalid if it is not a valid message; nothing was changed then.
    """
    mail = read_mail(content, null_sender=null_sender)
    patterns = receiver.patterns or MailPatterns()
    if _ignored(mail, patterns) is not None:
        return MailResult.IGNORED, []
    alert = bounded(find_alert(mail, patterns))
    identity = mail.identity or otherwise
    if identity is not None and not _first_time(tx, receiver, identity, now()):
        return MailResult.REPEATED, []
    outcomes = receive_alerts(tx, receiver, [alert], request_id)
    example = f"From: {mail.sender}\nSubject: {mail.subject}\n\n{mail.body}"[:LONGEST_EXAMPLE].replace("\0", "")
    tx.execute(update(alert_receivers).where(alert_receivers.c.id == receiver.id).values(last_message=example))
    return MailResult.TAKEN, outcomes


def try_patterns(tx: Connection, actor: Actor, receiver: str, patterns: MailPatterns, message: str) -> MailTrial:
    """Returns what the patterns find in a message to the receiver of this name. Nothing is changed.

    Raises Invalid for invalid patterns and for an invalid message, and Forbidden unless the actor is a super admin who
    sees all companies.
    """
    require_administrator(actor)
    require_valid(patterns)
    mail = read_mail(message.lstrip().encode("utf-8", "replace"))
    alert = bounded(find_alert(mail, patterns))
    return MailTrial(
        automatic=_ignored(mail, patterns),
        key=alert.key,
        state=alert.state,
        labels=alert.labels,
        summary=alert.summary,
        outcome=try_rules(tx, actor, receiver, alert.labels),
    )


def last_message(tx: Connection, actor: Actor, receiver_id: int) -> str | None:
    """Returns the beginning of the last message that a receiver processed, as text. Raises Forbidden."""
    require_administrator(actor)
    query = select(alert_receivers.c.last_message).where(alert_receivers.c.id == receiver_id)
    return tx.execute(query).scalar_one_or_none()


def prune_mails(tx: Connection, before: datetime) -> int:
    """Deletes a batch of the digests of messages that were processed before an instant.

    Returns their number; 0 if none are left.
    """
    return delete_piece(tx, received_mails.c.id, received_mails.c.received_at < before)


def _ignored(mail: Mail, patterns: MailPatterns) -> Automatic | None:
    if mail.automatic is Automatic.BOUNCE or not patterns.automatic:
        return mail.automatic
    return None


def _first_time(tx: Connection, receiver: Receiver, identity: bytes, at: datetime) -> bool:
    """Stores the digest of a message. Returns False if it was already stored.

    If a message is delivered twice at the same time, the second delivery waits for the commit of the first one.
    """
    row = {"receiver_id": receiver.id, "identity": identity, "received_at": at}
    inserted = upsert(tx, received_mails).values(row).on_conflict_do_nothing().returning(received_mails.c.id)
    return tx.execute(inserted).first() is not None
