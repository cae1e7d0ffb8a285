"""Receivers: URLs to which monitoring systems report in their own formats (contract, section 14).

A receiver of the kind `feed` has no URL: the server polls its feed. For the others, the secret is a part of the URL,
because most senders can be configured only with a URL. Only its hash is stored. A receiver sees all companies, and acts
under its own name. A receiver of email may have a mailbox (`mailboxes`) in addition to its address.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, LargeBinary, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, Role, require_administrator, require_fresh_proof
from issue_tracker.alerts.feeds.stored import Feed, FeedSettings, find_feed, list_feeds, require_usable_feed, save_feed
from issue_tracker.alerts.mail import patterns as mail_patterns
from issue_tracker.alerts.mail.patterns import MailPatterns
from issue_tracker.alerts.mailboxes.stored import Mailbox, find_mailbox, list_mailboxes
from issue_tracker.alerts.mapping import Mapping, require_valid
from issue_tracker.alerts.senders import Kind
from issue_tracker.auth.sessions import token_hash
from issue_tracker.clock import Timestamp, now
from issue_tracker.database.engine import created_id
from issue_tracker.database.prepared import Prepared, iso
from issue_tracker.database.tables import alert_receivers, alerts
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.field_errors import FieldErrors
from issue_tracker.names import Name, key, storable
from issue_tracker.new_names import require_visible

MOST_RECEIVERS = 500
"""Maximum number of receivers."""

USED_WITHIN = timedelta(minutes=1)
"""Maximum delay of `last_received_at`."""


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver without its secret. `mapping` is for the kind `generic`, `patterns` and `mailbox` for `email`, `feed`
    for `feed`. `kind` is null if a later version of the program added the kind, during a rolling upgrade.
    """

    id: int
    name: str
    kind: Kind | None
    mapping: Mapping | None
    patterns: MailPatterns | None
    feed: Feed | None = None
    mailbox: Mailbox | None = None
    active: bool
    created_at: Timestamp
    last_received_at: Timestamp | None

    def actor(self, request_id: str = "") -> Actor:
        """Returns the receiver as the actor of the messages that it receives."""
        channel = f"receiver:{self.name}"
        return Actor(user_id=None, name=self.name, role=Role.TECHNICIAN, channel=channel, request_id=request_id)


def list_receivers(tx: Connection, actor: Actor) -> list[Receiver]:
    """Returns all receivers by name. Raises Forbidden unless the actor is a super admin who sees all companies."""
    require_administrator(actor)
    feeds, mailboxes = list_feeds(tx, actor), list_mailboxes(tx, actor)
    rows = tx.execute(select(alert_receivers).order_by(alert_receivers.c.name_key))
    return [_receiver(row, feeds.get(row.id), mailboxes.get(row.id)) for row in rows]


def get_receiver(tx: Connection, actor: Actor, receiver_id: int) -> Receiver:
    """Returns a receiver. Raises NotFound, and Forbidden like list_receivers."""
    require_administrator(actor)
    receiver = find_receiver_by_id(tx, receiver_id)
    if receiver is None:
        raise _unknown()
    if receiver.kind is Kind.FEED:
        return msgspec.structs.replace(receiver, feed=find_feed(tx, actor, receiver_id))
    if receiver.kind is Kind.EMAIL:
        return msgspec.structs.replace(receiver, mailbox=find_mailbox(tx, actor, receiver_id))
    return receiver


def find_receiver(tx: Connection, kind: str, secret: str) -> Receiver | None:
    """Returns the active receiver of this kind with this secret, or None."""
    if kind == Kind.FEED.value or not storable(kind):
        return None
    row = _by_secret.row(tx, secret_hash=token_hash(secret), kind=kind)
    return None if row is None else _receiver(row)


def find_receiver_by_id(tx: Connection, receiver_id: int) -> Receiver | None:
    """Returns the receiver with this id, whether or not it is active, without its feed and its mailbox; None if
    there is none.
    """
    row = tx.execute(select(alert_receivers).where(alert_receivers.c.id == receiver_id)).first()
    return None if row is None else _receiver(row)


def note_use(tx: Connection, receiver: Receiver, at: datetime) -> None:
    """Records when the receiver last received a message, at most once a minute."""
    before = at - USED_WITHIN
    if receiver.last_received_at is not None and datetime.fromisoformat(receiver.last_received_at) >= before:
        return
    older = alert_receivers.c.last_received_at.is_(None) | (alert_receivers.c.last_received_at < before)
    used = update(alert_receivers).where(alert_receivers.c.id == receiver.id, older)
    tx.execute(used.values(last_received_at=at))


def create_receiver(
    tx: Connection,
    actor: Actor,
    name: Name,
    kind: Kind,
    mapping: Mapping | None = None,
    patterns: MailPatterns | None = None,
    feed: FeedSettings | None = None,
) -> tuple[Receiver, str]:
    """Creates a receiver. Returns it with its secret, which is shown only once.

    The secret of a receiver of the kind `feed` is useless. Raises Invalid for a name that is taken or has an invisible
    character, for an invalid mapping, pattern or feed, and if there are MOST_RECEIVERS already; ConfirmationRequired,
    and Forbidden.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    if tx.execute(select(func.count()).select_from(alert_receivers)).scalar_one() >= MOST_RECEIVERS:
        raise Invalid(f"There are {MOST_RECEIVERS} receivers, which is the maximum. Delete one first.")
    errors = FieldErrors()
    with errors.collected():
        require_visible("name", name)
    with errors.collected():
        _require_usable(tx, actor, kind, mapping, patterns, feed)
    if kind is Kind.FEED and feed is None:
        errors.add("feed", "is required for the kind feed")
    errors.raise_found()
    secret = _new_secret(kind)
    values: dict[str, Any] = {
        "name": name,
        "name_key": key(name),
        "kind": kind.value,
        "mapping": _stored(mapping or patterns),
        "active": True,
    }
    values |= {"secret_hash": token_hash(secret), "created_at": now()}
    try:
        with tx.begin_nested():
            inserted = tx.execute(insert(alert_receivers).values(**values))
    except IntegrityError:
        raise Invalid.field("name", f"a receiver called “{name}” already exists") from None
    receiver_id = created_id(inserted)
    if feed is not None:
        save_feed(tx, actor, receiver_id, feed)
    receiver = get_receiver(tx, actor, receiver_id)
    record_change(tx, actor, EventType.RECEIVER_CREATED, receiver)
    return receiver, secret


def update_receiver(
    tx: Connection,
    actor: Actor,
    receiver_id: int,
    *,
    active: bool | None = None,
    mapping: Mapping | None = None,
    patterns: MailPatterns | None = None,
    feed: FeedSettings | None = None,
) -> Receiver:
    """Enables or disables a receiver, or replaces its mapping, patterns or feed; None leaves the present value.

    Raises NotFound, Invalid, ConfirmationRequired, and Forbidden.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    receiver = _receiver(_lock(tx, receiver_id))
    _require_usable(tx, actor, receiver.kind, mapping, patterns, feed)
    values: dict[str, Any] = {}
    changed: list[str] = []
    if active is not None and active is not receiver.active:
        values["active"] = active
        changed.append("active")
    for what, new, old in (("mapping", mapping, receiver.mapping), ("patterns", patterns, receiver.patterns)):
        if new is not None and new != old:
            values["mapping"] = _stored(new)
            changed.append(what)
    if feed is not None and save_feed(tx, actor, receiver_id, feed):
        changed.append("feed")
    if values:
        tx.execute(update(alert_receivers).where(alert_receivers.c.id == receiver_id).values(values))
    if changed:
        record_change(tx, actor, EventType.RECEIVER_UPDATED, receiver, ", ".join(changed))
    return get_receiver(tx, actor, receiver_id)


def rotate_secret(tx: Connection, actor: Actor, receiver_id: int) -> tuple[Receiver, str]:
    """Gives a receiver a new secret, which is shown only once. The old URL becomes invalid immediately.

    Raises NotFound, Invalid for a receiver without an address, ConfirmationRequired, and Forbidden.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    receiver = _receiver(_lock(tx, receiver_id))
    if receiver.kind is None or receiver.kind is Kind.FEED:
        raise Invalid("A receiver of this kind has no address.")
    secret = _new_secret(receiver.kind)
    values = {"secret_hash": token_hash(secret)}
    tx.execute(update(alert_receivers).where(alert_receivers.c.id == receiver_id).values(values))
    record_change(tx, actor, EventType.RECEIVER_UPDATED, receiver, "secret")
    return receiver, secret


def delete_receiver(tx: Connection, actor: Actor, receiver_id: int) -> None:
    """Deletes a receiver with its alerts. The issues that they opened remain. Raises NotFound, and Forbidden."""
    require_administrator(actor)
    receiver = _receiver(_lock(tx, receiver_id))
    tx.execute(delete(alerts).where(alerts.c.namespace == -receiver_id))
    tx.execute(delete(alert_receivers).where(alert_receivers.c.id == receiver_id))
    record_change(tx, actor, EventType.RECEIVER_DELETED, receiver)


def record_change(tx: Connection, actor: Actor, type_: EventType, receiver: Receiver, what: str | None = None) -> None:
    """Records a change of a receiver, and what was changed."""
    note = f"{receiver.id}: {receiver.name}" + (f" ({what})" if what else "")
    record(tx, actor, [Change(type=type_, note=note)], now())


def _require_usable(
    tx: Connection,
    actor: Actor,
    kind: Kind | None,
    mapping: Mapping | None,
    patterns: MailPatterns | None,
    feed: FeedSettings | None,
) -> None:
    errors = FieldErrors()
    if mapping is not None:
        if kind is not Kind.GENERIC:
            errors.add("mapping", "is for receivers of the kind generic only")
        with errors.collected():
            require_valid(mapping)
    if patterns is not None:
        if kind is not Kind.EMAIL:
            errors.add("patterns", "are for receivers of the kind email only")
        with errors.collected():
            mail_patterns.require_valid(patterns)
    if feed is not None:
        if kind is not Kind.FEED:
            errors.add("feed", "is for receivers of the kind feed only")
        with errors.collected():
            require_usable_feed(tx, actor, feed)
    errors.raise_found()


def _new_secret(kind: Kind) -> str:
    """Returns a new secret; as a part of an email address, it must be insensitive to case."""
    return secrets.token_hex(20) if kind is Kind.EMAIL else secrets.token_urlsafe(24)


def _stored(reading: Mapping | MailPatterns | None) -> str | None:
    return None if reading is None else msgspec.json.encode(reading).decode()


def _lock(tx: Connection, receiver_id: int) -> Row[Any]:
    row = tx.execute(select(alert_receivers).where(alert_receivers.c.id == receiver_id).with_for_update()).first()
    if row is None:
        raise _unknown()
    return row


def _unknown() -> NotFound:
    return NotFound("There is no such receiver.")


def _receiver(row: Any, feed: Feed | None = None, mailbox: Mailbox | None = None) -> Receiver:
    kind = _kinds.get(row.kind)
    found = row.mapping
    return Receiver(
        id=row.id,
        name=row.name,
        kind=kind,
        mapping=msgspec.json.decode(found, type=Mapping) if found and kind is Kind.GENERIC else None,
        patterns=msgspec.json.decode(found, type=MailPatterns) if found and kind is Kind.EMAIL else None,
        feed=feed,
        mailbox=mailbox,
        active=bool(row.active),
        created_at=iso(row.created_at),
        last_received_at=None if row.last_received_at is None else iso(row.last_received_at),
    )


_kinds = {kind.value: kind for kind in Kind}
_by_secret = Prepared(
    lambda _: select(alert_receivers).where(
        alert_receivers.c.secret_hash == bindparam("secret_hash", type_=LargeBinary),
        alert_receivers.c.kind == bindparam("kind"),
        alert_receivers.c.active,
    )
)
