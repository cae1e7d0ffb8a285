"""Changes of the mailbox of a receiver."""

from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_administrator, require_fresh_proof
from issue_tracker.alerts.mailboxes.stored import MailboxSettings, delete_mailbox, save_mailbox
from issue_tracker.alerts.receivers import Receiver, get_receiver, record_change
from issue_tracker.alerts.senders import Kind
from issue_tracker.encryption import Keyring
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.catalog import EventType


def set_mailbox(
    tx: Connection, actor: Actor, keyring: Keyring, receiver_id: int, mailbox: MailboxSettings, password: str | None
) -> Receiver:
    """Gives a receiver of email a mailbox, or changes it. It is polled immediately.

    Without a password, the stored one remains, unless the server, the user name, the token endpoint or the client
    changes. Raises NotFound, Invalid, ConfirmationRequired, and Forbidden.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    receiver = get_receiver(tx, actor, receiver_id)
    if receiver.kind is not Kind.EMAIL:
        raise Invalid("Only a receiver of the kind email can have a mailbox.")
    if save_mailbox(tx, actor, keyring, receiver_id, mailbox, password):
        record_change(tx, actor, EventType.RECEIVER_UPDATED, receiver, "mailbox")
    return get_receiver(tx, actor, receiver_id)


def remove_mailbox(tx: Connection, actor: Actor, receiver_id: int) -> None:
    """Deletes the mailbox of a receiver, with its password. Raises NotFound, ConfirmationRequired, and Forbidden."""
    require_administrator(actor)
    require_fresh_proof(actor)
    receiver = get_receiver(tx, actor, receiver_id)
    if not delete_mailbox(tx, actor, receiver_id):
        raise NotFound("This receiver has no mailbox.")
    record_change(tx, actor, EventType.RECEIVER_UPDATED, receiver, "mailbox removed")
