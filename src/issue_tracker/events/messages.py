"""From recorded events to messages: one row per webhook that wants one, in the transaction of the change."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from issue_tracker.clock import Timestamp, iso
from issue_tracker.database.engine import News, announce
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import deliveries, webhooks
from issue_tracker.events.catalog import Event, EventType

BULK = "assignment.bulk_status_changed"
TEST = "webhook.test"

KNOWN_TYPES = (*(type_.value for type_ in EventType), BULK)
"""What a webhook may ask for."""


class State(StrEnum):
    """Of a delivery: `pending` until it was delivered, or failed for good."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Wish(msgspec.Struct, frozen=True):
    """What an active webhook wants to be told; an empty set means everything."""

    webhook_id: int
    types: frozenset[str]
    companies: frozenset[int]

    def wants(self, event: Event) -> bool:
        return (not self.types or event.type.value in self.types) and self._concerns(event)

    def wants_of_bulk(self, event: Event) -> bool:
        return (not self.types or BULK in self.types or event.type.value in self.types) and self._concerns(event)

    def _concerns(self, event: Event) -> bool:
        return not self.companies or event.company_id in self.companies


class Message(msgspec.Struct, frozen=True):
    """The body (Standard Webhooks 1.0.0)."""

    type: str
    timestamp: Timestamp
    data: Any


def wishes(tx: Connection) -> list[Wish]:
    """What the active webhooks want at this moment."""
    return [
        Wish(
            webhook_id,
            msgspec.json.decode(event_types, type=frozenset[str]),
            msgspec.json.decode(company_ids, type=frozenset[int]),
        )
        for webhook_id, event_types, company_ids in _active.all(tx)
    ]


_active = Prepared(
    lambda _: select(webhooks.c.id, webhooks.c.event_types, webhooks.c.company_ids).where(webhooks.c.active)
)


def enqueue(tx: Connection, told: Sequence[Event], wanted: Sequence[Wish], at: datetime, *, bulk: bool) -> None:
    """Writes the deliveries of these events. A change made in bulk is one message with all its events."""
    rows: list[dict[str, Any]] = []
    if bulk:
        message_id = new_message_id()
        for wish in wanted:
            part = [event for event in told if wish.wants_of_bulk(event)]
            if part:
                rows.append(delivery_row(wish.webhook_id, message_id, Message(BULK, iso(at), {"events": part}), at))
    else:
        for event in told:
            message_id = new_message_id()
            message = Message(event.type.value, iso(at), event)
            rows += [delivery_row(wish.webhook_id, message_id, message, at) for wish in wanted if wish.wants(event)]
    if not rows:
        return
    # A webhook that was deleted a moment ago must not fail the change.
    concerned = sorted({row["webhook_id"] for row in rows})
    query = select(webhooks.c.id).where(webhooks.c.id.in_(concerned)).order_by(webhooks.c.id)
    kept = set(tx.execute(query.with_for_update(read=True, key_share=True)).scalars())
    rows = [row for row in rows if row["webhook_id"] in kept]
    if rows:
        tx.execute(insert(deliveries), rows)
        announce(tx, News.DELIVERIES)


def delivery_row(webhook_id: int, message_id: str, message: Message, at: datetime) -> dict[str, Any]:
    """A delivery that is due at once."""
    return {
        "webhook_id": webhook_id,
        "message_id": message_id,
        "type": message.type,
        # Names are texts of a type of their own.
        "body": msgspec.json.encode(message, enc_hook=str).decode(),
        "state": State.PENDING.value,
        "attempts": 0,
        "due_at": at,
        "created_at": at,
    }


def new_message_id() -> str:
    """The `webhook-id`: the same for every attempt, so that receivers can tell a repeat."""
    return f"msg_{uuid.uuid4().hex}"
