"""The outbox is complete: every event to which a webhook subscribes is in exactly one message to it (docs/events.md).

Earlier subscriptions of a webhook are unknown. Therefore only events since its last change are checked, except those
whose messages may have been deleted, and those of the command line, which may be recorded without messages.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, func, select

from issue_tracker.actor import Actor
from issue_tracker.database.tables import deliveries, events
from issue_tracker.events.catalog import Event, EventType
from issue_tracker.events.messages import BULK_TYPES, TEST, Subscription, active_subscriptions
from issue_tracker.events.queries.log import event_from_row
from issue_tracker.events.queries.webhooks import State
from issue_tracker.invariants.queries.streams import pieces, stream

RETAINED = timedelta(hours=1)
"""No command deletes deliveries that are newer than this."""

EARLIER = timedelta(minutes=1)
"""A message has the time of its first event. Its other events are at most this much later."""

WEBHOOK_CHANGES = (EventType.WEBHOOK_CREATED, EventType.WEBHOOK_UPDATED, EventType.WEBHOOK_DISABLED)

ABOUT_WEBHOOKS = (*WEBHOOK_CHANGES, EventType.WEBHOOK_DELETED)
"""Types whose notes begin with the id of the webhook."""

ONE_MESSAGE_EACH = (EventType.ISSUE_CREATED, *ABOUT_WEBHOOKS)
"""Types without a combined message: an import creates several issues, each with its own message; and webhooks do not
receive events about themselves."""

_family = {bulk: type_.value for type_, bulk in BULK_TYPES.items()}

Named = Counter[tuple[Any, ...]]
"""The number of messages that name an event: by webhook and event_id; for assignments of a new issue by webhook, issue
and company name, with its time and with its request. Also the number of messages of a kind that one request caused.
"""


class _Scope(msgspec.Struct, frozen=True):
    """A subscription, and the last change to its webhook, since when the subscription is certain."""

    subscription: Subscription
    after: int
    since: datetime


def wrong_messages(tx: Connection, actor: Actor, *, at: datetime, settled_after: timedelta) -> Iterator[str]:
    """Yields events without a message to a subscribed webhook, or with several; and requests with repeated messages."""
    scopes = _scopes(tx, actor, at, settled_after)
    if not scopes:
        return
    first = min(scope.after for scope in scopes)
    query = select(events).where(events.c.event_id > first, events.c.channel != "cli").order_by(events.c.event_id)
    for piece in pieces(stream(tx, actor, query)):
        named, repeated = _named(tx, deliveries.c.created_at.in_(sorted({row.at for row in piece})))
        yield from repeated
        for row in piece:
            event = event_from_row(row)
            for scope in scopes:
                if row.event_id > scope.after and row.at > scope.since and _is_sent(tx, actor, scope, event, row.at):
                    yield from _count(tx, scope, event, row, named)


def _scopes(tx: Connection, actor: Actor, at: datetime, settled_after: timedelta) -> list[_Scope]:
    changes: dict[int, tuple[int, datetime]] = {}
    query = select(events.c.event_id, events.c.at, events.c.note).where(events.c.type.in_(WEBHOOK_CHANGES))
    for event_id, changed_at, note in stream(tx, actor, query.order_by(events.c.event_id)):
        webhook_id = (note or "").partition(":")[0]
        if webhook_id.isdigit():
            changes[int(webhook_id)] = event_id, changed_at
    finished = select(func.min(deliveries.c.created_at)).where(deliveries.c.state != State.PENDING.value)
    oldest = tx.execute(finished).scalar_one()
    retained = min(oldest or at, at - RETAINED) + EARLIER
    # SQLite's writers take turns. On PostgreSQL, a change may have begun before the webhook was created.
    doubt = timedelta(0) if tx.dialect.name == "sqlite" else settled_after
    scopes = []
    for subscription in active_subscriptions(tx):
        if not subscription.access.all:
            continue  # what its owner could see at the time of an event is unknown now
        after, changed_at = changes.get(subscription.webhook_id, (None, None))
        if after is not None and changed_at is not None:
            since = max(changed_at + doubt - timedelta(microseconds=1), retained - timedelta(microseconds=1))
            scopes.append(_Scope(subscription, after, since))
    return scopes


def _is_sent(tx: Connection, actor: Actor, scope: _Scope, event: Event, at: datetime) -> bool:
    """Returns whether the webhook must have received the event."""
    if event.type in ABOUT_WEBHOOKS and (event.note or "").startswith(f"{scope.subscription.webhook_id}:"):
        return False  # a webhook receives no events about itself
    if not scope.subscription.includes(event.type):
        return False
    if event.type is EventType.ISSUE_CREATED and scope.subscription.companies:
        # The webhook receives it if it assigns one of the companies.
        query = select(events.c.company_id).where(
            events.c.issue_id == event.issue_id,
            events.c.type == EventType.ASSIGNMENT_CREATED.value,
            events.c.request_id == event.request_id,
            events.c.at == at,
        )
        return not scope.subscription.companies.isdisjoint(company_id for (company_id,) in stream(tx, actor, query))
    return bool(scope.subscription.visible([event]))


def _count(tx: Connection, scope: _Scope, event: Event, row: Row[Any], named: Named) -> Iterator[str]:
    webhook_id = scope.subscription.webhook_id
    keys = [(webhook_id, event.event_id)]
    if event.type is EventType.ASSIGNMENT_CREATED:
        keys.append((webhook_id, event.issue_id, event.company_name, event.at))  # type: ignore[arg-type]  # keys have different lengths
    count = sum(named[key] for key in keys)
    if not count:
        earlier = deliveries.c.created_at.between(row.at - EARLIER, row.at)
        named = _named(tx, earlier & (deliveries.c.webhook_id == webhook_id))[0]
        count = sum(named[key] for key in keys)
        if not count and event.type is EventType.ASSIGNMENT_CREATED:
            # An alert assigns several companies one after the other, at slightly different times.
            count = named[webhook_id, event.issue_id, event.company_name, event.request_id]
    if count != 1:
        yield f"Webhook {webhook_id} has {count} messages about event {event.event_id} ({event.type}) instead of one."


def _named(tx: Connection, condition: Any) -> tuple[Named, Sequence[str]]:
    """Returns what messages name, and sentences about requests that led to several messages of one kind."""
    query: Select[Any] = select(deliveries.c.webhook_id, deliveries.c.type, deliveries.c.body).where(condition)
    named: Named = Counter()
    requests: Named = Counter()
    for webhook_id, type_, body in tx.execute(query):
        if type_ == TEST:
            continue
        message = msgspec.json.decode(body)
        data = message["data"]
        of_message = data.get("events", [data])
        for event in of_message:
            named[webhook_id, event["event_id"]] += 1
        for member in data.get("assignments", ()):
            for when in (message["timestamp"], data["request_id"]):
                named[webhook_id, data["issue_id"], member["company_name"], when] += 1
        family = _family.get(type_, type_)
        if family not in ONE_MESSAGE_EACH:
            requests[webhook_id, family, message["timestamp"], of_message[0]["request_id"]] += 1
    repeated = [
        f"Webhook {webhook_id} has {count} messages of the type {family} for the one request {request_id}."
        for (webhook_id, family, _, request_id), count in requests.items()
        if count > 1
    ]
    return named, repeated
