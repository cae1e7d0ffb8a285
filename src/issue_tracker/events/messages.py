"""From recorded events to messages: one delivery per webhook that subscribed, in the transaction of the change."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from issue_tracker.clock import Timestamp, iso
from issue_tracker.database.engine import News, announce
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import deliveries, webhooks
from issue_tracker.events.catalog import Event, EventType
from issue_tracker.events.queries.webhooks import State

BULK = "assignment.bulk_status_changed"
TEST = "webhook.test"

KNOWN_TYPES = (*(type_.value for type_ in EventType), BULK)
"""What a webhook may subscribe to."""


class Subscription(msgspec.Struct, frozen=True):
    """Which events an active webhook is sent; an empty set means all."""

    webhook_id: int
    types: frozenset[str]
    companies: frozenset[int]

    def covers(self, event: Event) -> bool:
        """Whether the event is sent as a message of its own."""
        return (not self.types or event.type.value in self.types) and self._covers_company(event)

    def covers_in_bulk(self, event: Event) -> bool:
        """Whether the event is sent as part of a bulk change."""
        subscribed = not self.types or BULK in self.types or event.type.value in self.types
        return subscribed and self._covers_company(event)

    def _covers_company(self, event: Event) -> bool:
        return not self.companies or event.company_id in self.companies


class Message(msgspec.Struct, frozen=True):
    """The body of a message (Standard Webhooks 1.0.0)."""

    type: str
    timestamp: Timestamp
    data: Any


def active_subscriptions(tx: Connection) -> list[Subscription]:
    """The subscriptions of the webhooks that are active at this moment."""
    return [
        Subscription(
            webhook_id=webhook_id,
            types=msgspec.json.decode(event_types, type=frozenset[str]),
            companies=msgspec.json.decode(company_ids, type=frozenset[int]),
        )
        for webhook_id, event_types, company_ids in _active.all(tx)
    ]


_active = Prepared(
    lambda _: select(webhooks.c.id, webhooks.c.event_types, webhooks.c.company_ids).where(webhooks.c.active)
)


def enqueue(
    tx: Connection, recorded: Sequence[Event], subscriptions: Sequence[Subscription], at: datetime, *, bulk: bool
) -> None:
    """Writes the deliveries of events that were recorded at `at`. A bulk change is one message with all its events."""
    rows: list[dict[str, Any]] = []
    if bulk:
        message_id = new_message_id()
        for subscription in subscriptions:
            part = [event for event in recorded if subscription.covers_in_bulk(event)]
            if part:
                message = Message(BULK, iso(at), {"events": part})
                rows.append(delivery_row(subscription.webhook_id, message_id, message, at))
    else:
        for event in recorded:
            message_id = new_message_id()
            message = Message(event.type.value, iso(at), event)
            rows += [
                delivery_row(subscription.webhook_id, message_id, message, at)
                for subscription in subscriptions
                if subscription.covers(event)
            ]
    if not rows:
        return
    # A webhook that was deleted a moment ago must not fail the change.
    subscribed = sorted({row["webhook_id"] for row in rows})
    query = select(webhooks.c.id).where(webhooks.c.id.in_(subscribed)).order_by(webhooks.c.id)
    present = set(tx.execute(query.with_for_update(read=True, key_share=True)).scalars())
    rows = [row for row in rows if row["webhook_id"] in present]
    if rows:
        tx.execute(insert(deliveries), rows)
        announce(tx, News.DELIVERIES)


def delivery_row(webhook_id: int, message_id: str, message: Message, at: datetime) -> dict[str, Any]:
    """The row of a delivery that is due immediately."""
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
    """The `webhook-id`: the same for every attempt, so that receivers recognize a repeated message."""
    return f"msg_{uuid.uuid4().hex}"
