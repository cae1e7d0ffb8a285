"""Receivers: addresses at which monitoring systems report in their own format (contract, section 14).

The secret is a part of the address, because most senders can be given an address and nothing else. Only its hash is
stored. A receiver sees all companies, and acts under its own name.
"""

import hashlib
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, Role, require_administrator, require_fresh_proof
from issue_tracker.alerts.mapping import Mapping, require_valid
from issue_tracker.alerts.models import AlertOutcome, Report
from issue_tracker.alerts.operations import receive
from issue_tracker.alerts.rules import CompanyBy, Decision, Rule, decide
from issue_tracker.alerts.senders import Kind, Received, read_message
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.companies.groups.queries import find_group_companies
from issue_tracker.companies.matching import match_names
from issue_tracker.companies.queries import list_companies
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import alert_receivers, alert_rules, alerts
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.names import Name, key
from issue_tracker.new_names import require_visible
from issue_tracker.status import Status

USED_WITHIN = timedelta(minutes=1)
"""How far `last_received_at` may lag behind."""


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver without its secret. `mapping` is for the kind `generic`."""

    id: int
    name: str
    kind: Kind
    mapping: Mapping | None
    active: bool
    created_at: Timestamp
    last_received_at: Timestamp | None

    def actor(self, request_id: str = "") -> Actor:
        """The receiver as the actor of what it is sent."""
        channel = f"receiver:{self.name}"
        return Actor(user_id=None, name=self.name, role=Role.TECHNICIAN, channel=channel, request_id=request_id)


def list_receivers(tx: Connection, actor: Actor) -> list[Receiver]:
    """Returns all receivers by name. Raises Forbidden unless the actor is a super admin who sees all companies."""
    require_administrator(actor)
    return [_receiver(row) for row in tx.execute(select(alert_receivers).order_by(alert_receivers.c.name_key))]


def get_receiver(tx: Connection, actor: Actor, receiver_id: int) -> Receiver:
    """Returns a receiver. Raises NotFound, and Forbidden like list_receivers."""
    require_administrator(actor)
    receiver = find_receiver_by_id(tx, receiver_id)
    if receiver is None:
        raise _unknown()
    return receiver


def find_receiver(tx: Connection, kind: str, secret: str) -> Receiver | None:
    """Returns the active receiver of this kind with this secret, or None."""
    query = select(alert_receivers).where(
        alert_receivers.c.secret_hash == _hash(secret), alert_receivers.c.kind == kind, alert_receivers.c.active
    )
    row = tx.execute(query).first()
    return None if row is None else _receiver(row)


def find_receiver_by_id(tx: Connection, receiver_id: int) -> Receiver | None:
    """Returns the receiver with this id, whether it is active or not, or None."""
    row = tx.execute(select(alert_receivers).where(alert_receivers.c.id == receiver_id)).first()
    return None if row is None else _receiver(row)


def create_receiver(
    tx: Connection, actor: Actor, name: Name, kind: Kind, mapping: Mapping | None = None
) -> tuple[Receiver, str]:
    """Creates a receiver. Returns it with its secret, which is shown this once.

    Raises Invalid for a name that is taken or a mapping that cannot be used, ConfirmationRequired, and Forbidden.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    require_visible("name", name)
    _require_mapping(kind, mapping)
    secret = secrets.token_urlsafe(24)
    values: dict[str, Any] = {
        "name": name,
        "name_key": key(name),
        "kind": kind.value,
        "mapping": _stored(mapping),
        "active": True,
    }
    values |= {"secret_hash": _hash(secret), "created_at": now()}
    try:
        with tx.begin_nested():
            inserted = tx.execute(insert(alert_receivers).values(**values))
    except IntegrityError:
        raise Invalid.field("name", f"a receiver called “{name}” exists already") from None
    receiver = get_receiver(tx, actor, created_id(inserted))
    _record(tx, actor, EventType.RECEIVER_CREATED, receiver)
    return receiver, secret


def update_receiver(
    tx: Connection, actor: Actor, receiver_id: int, *, active: bool | None = None, mapping: Mapping | None = None
) -> Receiver:
    """Switches a receiver on or off, or replaces its mapping; None leaves either as it is.

    Raises NotFound, Invalid, ConfirmationRequired, and Forbidden.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    receiver = _receiver(_lock(tx, receiver_id))
    values: dict[str, Any] = {}
    if active is not None and active is not receiver.active:
        values["active"] = active
    if mapping is not None and mapping != receiver.mapping:
        _require_mapping(receiver.kind, mapping)
        values["mapping"] = _stored(mapping)
    if not values:
        return receiver
    tx.execute(update(alert_receivers).where(alert_receivers.c.id == receiver_id).values(values))
    _record(tx, actor, EventType.RECEIVER_UPDATED, receiver, ", ".join(sorted(values)))
    return get_receiver(tx, actor, receiver_id)


def rotate_secret(tx: Connection, actor: Actor, receiver_id: int) -> tuple[Receiver, str]:
    """Gives a receiver a new secret, which is shown this once. The old address ends at once.

    Raises NotFound, ConfirmationRequired, and Forbidden.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    receiver, secret = _receiver(_lock(tx, receiver_id)), secrets.token_urlsafe(24)
    values = {"secret_hash": _hash(secret)}
    tx.execute(update(alert_receivers).where(alert_receivers.c.id == receiver_id).values(values))
    _record(tx, actor, EventType.RECEIVER_UPDATED, receiver, "secret")
    return receiver, secret


def delete_receiver(tx: Connection, actor: Actor, receiver_id: int) -> None:
    """Deletes a receiver with its alerts. The issues that they opened stay. Raises NotFound, and Forbidden."""
    require_administrator(actor)
    receiver = _receiver(_lock(tx, receiver_id))
    tx.execute(delete(alerts).where(alerts.c.namespace == -receiver_id))
    tx.execute(delete(alert_receivers).where(alert_receivers.c.id == receiver_id))
    _record(tx, actor, EventType.RECEIVER_DELETED, receiver)


def receive_message(tx: Connection, receiver: Receiver, content: bytes, request_id: str) -> list[AlertOutcome]:
    """Does what a message to a receiver says, by the rules. Alerts that a rule ignores have no outcome.

    Raises Invalid for a message that does not have the receiver's format; nothing was changed then.
    """
    actor = receiver.actor(request_id)
    rules = [msgspec.json.decode(row.definition, type=Rule) for row in tx.execute(_ordered_rules)]
    reports: dict[str, Report] = {}
    for received in read_message(receiver.kind, content, receiver.mapping):
        decision = decide(rules, receiver.name, received.labels)
        if not decision.rule.ignore:
            # Of an alert that is listed twice, the last state counts.
            reports |= {report.key: report for report in _reports(tx, actor, received, decision)}
    outcomes = receive(tx, actor, list(reports.values()), receiver_id=receiver.id)
    at = now()
    before = at - USED_WITHIN
    lately = alert_receivers.c.last_received_at.is_(None) | (alert_receivers.c.last_received_at < before)
    used = update(alert_receivers).where(alert_receivers.c.id == receiver.id, lately)
    tx.execute(used.values(last_received_at=at))
    return outcomes


def company_names(tx: Connection, actor: Actor, by: CompanyBy, text: str) -> list[str]:
    """Returns the names of the companies that a rule means by a text: one at most, except for a group.

    A likeness counts only where a single company is like the text.
    """
    if by is CompanyBy.GROUP:
        return [company.name for company in find_group_companies(tx, actor, text) if not company.archived]
    if by is CompanyBy.LIKENESS and text:
        [match] = match_names(list_companies(tx, actor), [text])
        return match.candidates if len(match.candidates) == 1 else []
    return [text] if text else []


def _reports(tx: Connection, actor: Actor, received: Received, decision: Decision) -> Iterator[Report]:
    rule = decision.rule
    names = company_names(tx, actor, rule.company_by, decision.company) or [decision.company]
    for name in names:
        of_one = f"{received.key}@{key(name)}" if rule.company_by is CompanyBy.GROUP else received.key
        yield Report(
            key=of_one if len(of_one) <= 255 else hashlib.blake2b(of_one.encode(), digest_size=32).hexdigest(),
            state=received.state,
            issue=decision.issue,
            company=name,
            severity=decision.severity,
            summary=received.summary,
            url=received.url,
            labels=received.labels,
            hold=timedelta(minutes=rule.hold_minutes),
            steady=timedelta(minutes=rule.steady_minutes),
            cleared_status=Status(rule.cleared_status),
        )


_ordered_rules = select(alert_rules.c.definition).order_by(alert_rules.c.position, alert_rules.c.id)


def _require_mapping(kind: Kind, mapping: Mapping | None) -> None:
    if mapping is None:
        return
    if kind is not Kind.GENERIC:
        raise Invalid.field("mapping", "is for receivers of the kind generic only")
    require_valid(mapping)


def _stored(mapping: Mapping | None) -> str | None:
    return None if mapping is None else msgspec.json.encode(mapping).decode()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _lock(tx: Connection, receiver_id: int) -> Row[Any]:
    row = tx.execute(select(alert_receivers).where(alert_receivers.c.id == receiver_id).with_for_update()).first()
    if row is None:
        raise _unknown()
    return row


def _unknown() -> NotFound:
    return NotFound("No such receiver.")


def _receiver(row: Row[Any]) -> Receiver:
    return Receiver(
        id=row.id,
        name=row.name,
        kind=Kind(row.kind),
        mapping=None if row.mapping is None else msgspec.json.decode(row.mapping, type=Mapping),
        active=bool(row.active),
        created_at=iso(row.created_at),
        last_received_at=_iso(row.last_received_at),
    )


def _iso(at: datetime | None) -> Timestamp | None:
    return None if at is None else iso(at)


def _record(tx: Connection, actor: Actor, type_: EventType, receiver: Receiver, what: str | None = None) -> None:
    note = f"{receiver.id}: {receiver.name}" + (f" ({what})" if what else "")
    record(tx, actor, [Change(type=type_, note=note)], now())
