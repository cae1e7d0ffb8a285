"""The stored mailboxes: what is polled for a receiver, with the encrypted password."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, Row, delete, insert, select, update

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.alerts.polling.schedule import RESTARTED, Claim, Schedule, health
from issue_tracker.clock import Timestamp, now
from issue_tracker.database.reencryption import reencrypt_column
from issue_tracker.database.tables import alert_mailboxes, alert_receivers
from issue_tracker.encryption import Keyring, Undecryptable
from issue_tracker.errors import Invalid
from issue_tracker.field_errors import FieldErrors
from issue_tracker.names import END
from issue_tracker.outbound.address import parse_address

SCHEDULE = Schedule(alert_mailboxes)

Line = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+" + END)]


class Security(StrEnum):
    """How the connection is encrypted: from the beginning (port 993), or after the command STARTTLS (port 143)."""

    TLS = "tls"
    STARTTLS = "starttls"


class MailboxSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder of an IMAP server.

    With a `token_url` and a `client_id`, the server signs in with OAuth: the password is the client secret, for which
    the token endpoint issues access tokens, with the `scope` if it is not null.

    Processed messages are moved to `processed_folder`; if it is null, they are marked as read, and messages that are
    already read are not processed.
    """

    host: Line
    port: Annotated[int, Meta(ge=1, le=65535)] = 993
    security: Security = Security.TLS
    username: Line
    token_url: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    client_id: Line | None = None
    scope: Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[\x20-\x7e]+" + END)] | None = None
    folder: Line = "INBOX"
    processed_folder: Line | None = None
    interval_minutes: Annotated[int, Meta(ge=1, le=1440)] = 1


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox, without its password, with the results of polling it.

    `next_poll_at` is null while the receiver is switched off. `failure` is the reason of the last failure, and
    `failures` counts failures since the last success.
    """

    host: str
    port: int
    security: Security
    username: str
    token_url: str | None
    client_id: str | None
    scope: str | None
    folder: str
    processed_folder: str | None
    interval_minutes: int
    next_poll_at: Timestamp | None
    last_success_at: Timestamp | None
    last_failure_at: Timestamp | None
    failure: str | None
    failures: int


class ClaimedMailbox(Claim, frozen=True, kw_only=True):
    """A mailbox that this process polls until the claim expires. `password` is encrypted."""

    mailbox: MailboxSettings
    password: str


def list_mailboxes(tx: Connection, actor: Actor) -> dict[int, Mailbox]:
    """Returns all mailboxes by the id of their receiver. Raises Forbidden."""
    require_administrator(actor)
    return {row.receiver_id: _mailbox(row) for row in tx.execute(_joined)}


def find_mailbox(tx: Connection, actor: Actor, receiver_id: int) -> Mailbox | None:
    """Returns the mailbox of a receiver, or None. Raises Forbidden."""
    require_administrator(actor)
    row = tx.execute(_joined.where(alert_mailboxes.c.receiver_id == receiver_id)).first()
    return None if row is None else _mailbox(row)


def save_mailbox(
    tx: Connection, actor: Actor, keyring: Keyring, receiver_id: int, mailbox: MailboxSettings, password: str | None
) -> bool:
    """Stores the mailbox of a receiver, which is then polled immediately. Returns False if nothing has changed.

    Without a password, the stored one remains. Raises Invalid like `require_usable`, and on `password` if it is missing
    although there is none or the account is another one. Raises Forbidden.
    """
    require_administrator(actor)
    same = alert_mailboxes.c.receiver_id == receiver_id
    stored = tx.execute(select(alert_mailboxes).where(same).with_for_update()).first()
    values = msgspec.to_builtins(mailbox)
    errors = FieldErrors()
    with errors.collected():
        require_usable(mailbox)
    if password is None:
        with errors.collected():
            _require_same_account(stored, mailbox)
    errors.raise_found()
    if password is None:
        if stored is not None and all(stored._mapping[name] == value for name, value in values.items()):
            return False
    else:
        values["password"] = keyring.encrypt(password)
    values |= {"due_at": now(), **RESTARTED}
    if stored is None:
        tx.execute(insert(alert_mailboxes).values(receiver_id=receiver_id, **values))
    else:
        tx.execute(update(alert_mailboxes).where(same).values(values))
    return True


def delete_mailbox(tx: Connection, actor: Actor, receiver_id: int) -> bool:
    """Deletes the mailbox of a receiver, with its password. Returns False if it has none. Raises Forbidden."""
    require_administrator(actor)
    return tx.execute(delete(alert_mailboxes).where(alert_mailboxes.c.receiver_id == receiver_id)).rowcount > 0


def stored_password(tx: Connection, actor: Actor, keyring: Keyring, receiver_id: int, mailbox: MailboxSettings) -> str:
    """Returns the stored password, to try a mailbox with it. Raises Invalid, on `password`, and Forbidden.

    A server other than the one for which the password was entered must not receive it.
    """
    require_administrator(actor)
    row = tx.execute(select(alert_mailboxes).where(alert_mailboxes.c.receiver_id == receiver_id)).first()
    _require_same_account(row, mailbox)
    assert row is not None
    try:
        return keyring.decrypt(row.password)
    except Undecryptable:
        raise Invalid.field("password", "was encrypted with another server key; enter it again") from None


def require_usable(mailbox: MailboxSettings) -> None:
    """Raises Invalid for an invalid host, a folder to which its own messages would be moved, and for OAuth without
    a client or without an https address.
    """
    errors = FieldErrors()
    try:
        host = f"[{mailbox.host}]" if ":" in mailbox.host else mailbox.host
        if parse_address(f"https://{host}:{mailbox.port}").path != "/" or set("/?#") & set(host):
            raise ValueError
    except ValueError:
        errors.add("host", "must be the name or the address of a host, such as imap.example.com")
    try:
        if mailbox.token_url is not None and parse_address(mailbox.token_url).scheme != "https":
            raise ValueError("must be an https address")
    except ValueError as error:
        errors.add("token_url", str(error))
    if mailbox.token_url is not None and mailbox.client_id is None:
        errors.add("client_id", "is required to sign in with OAuth")
    if mailbox.token_url is None and mailbox.client_id is not None:
        errors.add("token_url", "is required to sign in with OAuth")
    elif mailbox.token_url is None and mailbox.scope is not None:
        errors.add("token_url", "is required with a scope")
    if mailbox.processed_folder is not None and mailbox.processed_folder.casefold() == mailbox.folder.casefold():
        errors.add("processed_folder", "must not be the folder that is polled")
    errors.raise_found()


def claim_mailbox(tx: Connection, receiver_id: int, due_at: datetime, at: datetime) -> ClaimedMailbox | None:
    """Claims a mailbox, like Schedule.claim."""
    claim = SCHEDULE.claim(tx, receiver_id, due_at, at)
    if claim is None:
        return None
    row = tx.execute(select(alert_mailboxes).where(alert_mailboxes.c.receiver_id == receiver_id)).one()
    return ClaimedMailbox(**msgspec.structs.asdict(claim), mailbox=_settings(row), password=row.password)


def has_secrets(tx: Connection) -> bool:
    """Returns whether the password of any mailbox is stored."""
    return tx.execute(select(alert_mailboxes.c.receiver_id).limit(1)).first() is not None


def reencrypt(tx: Connection, keyring: Keyring) -> tuple[int, list[int]]:
    """Re-encrypts the passwords as `reencrypt_column` does; the ids are those of receivers."""
    receiver_id, password = alert_mailboxes.c.receiver_id, alert_mailboxes.c.password
    stored = select(receiver_id, receiver_id.label("owner"), password).order_by(receiver_id)
    return reencrypt_column(tx, keyring, stored, password, receiver_id)


def _require_same_account(stored: Row[Any] | None, mailbox: MailboxSettings) -> None:
    if stored is None:
        raise Invalid.field("password", "is required")
    before = _settings(stored)
    if any(getattr(before, name) != getattr(mailbox, name) for name in _ACCOUNT):
        changed = "the server, its port or encryption, the user name, the token endpoint or the client"
        raise Invalid.field("password", f"must be entered again, because {changed} has changed")


_ACCOUNT = ("host", "port", "security", "username", "token_url", "client_id")
"""What the stored password was entered for."""

_joined = select(alert_mailboxes, alert_receivers.c.active).join(
    alert_receivers, alert_receivers.c.id == alert_mailboxes.c.receiver_id
)


def _settings(row: Row[Any]) -> MailboxSettings:
    return msgspec.convert({name: row._mapping[name] for name in MailboxSettings.__struct_fields__}, MailboxSettings)


def _mailbox(row: Row[Any]) -> Mailbox:
    return Mailbox(**(msgspec.structs.asdict(_settings(row)) | health(row)))
