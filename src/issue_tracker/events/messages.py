"""Turns recorded events into messages: one message per request and subscribed webhook (contract, section 8).

The events of a transaction are collected, and become messages as the last step before its commit. Only then is it
known what else the request did: the assignments of a new issue are sent with the issue, and several events of one kind
are sent together.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, insert, select

from issue_tracker.actor import ALL_COMPANIES, CompanyAccess, Role
from issue_tracker.clock import Timestamp, iso
from issue_tracker.company_access.queries import load_accesses
from issue_tracker.database.before_commit import once_in_transaction
from issue_tracker.database.commit_topics import CommitTopic, notify_on_commit
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import deliveries, users, webhooks
from issue_tracker.events.catalog import Event, EventType, Readers
from issue_tracker.events.queries.audiences import Audience, list_audiences
from issue_tracker.events.queries.log import list_event_ids
from issue_tracker.events.queries.webhooks import State

BULK_TYPES = {
    EventType.ASSIGNMENT_CREATED: "assignment.bulk_created",
    EventType.ASSIGNMENT_STATUS_CHANGED: "assignment.bulk_status_changed",
    EventType.ASSIGNMENT_DELETED: "assignment.bulk_deleted",
}
"""The type of the message for several events of one kind. The contract names the first two; an undo needs the third,
without which it would send one message for each company that it unassigns. For every other kind, the message has the
type of the event, so that subscribers need not know a second type.
"""

TEST = "webhook.test"

KNOWN_TYPES = (*(type_.value for type_ in EventType), *BULK_TYPES.values())
"""The types to which a webhook may subscribe."""

PAGE = "/issues/{}"
"""The path of an issue's page, relative to the public URL."""


class Subscription(msgspec.Struct, frozen=True):
    """The events that are sent to an active webhook. No types means all except audit events; no companies means all.

    `access` is the present company access of the webhook's owner, which limits the events.
    """

    webhook_id: int
    types: frozenset[str]
    companies: frozenset[int]
    access: CompanyAccess = ALL_COMPANIES

    def includes(self, type_: EventType, *, in_bulk: bool = False) -> bool:
        """Returns whether events of a type are sent. Events sent together also match their bulk type."""
        if not self.types:
            return not type_.audit
        return type_.value in self.types or (in_bulk and BULK_TYPES.get(type_) in self.types)

    def covers(self, company_id: int | None) -> bool:
        """Returns whether the subscription covers a company."""
        return not self.companies or company_id in self.companies

    def visible(self, events: Iterable[Event]) -> list[Event]:
        """Returns the events about the subscription's companies."""
        return [event for event in events if self.covers(event.company_id)]


class Message(msgspec.Struct, frozen=True):
    """The body of a message (Standard Webhooks 1.0.0)."""

    type: str
    timestamp: Timestamp
    data: Any


class Group(msgspec.Struct, frozen=True):
    """Events of one transaction that are sent as one message.

    Either a new issue in `created`, with the events of its assignments in `events`, or events of one type. An event
    about an update is sent alone, with the companies that the update is for in `audience`. `about_webhook` is the id of
    the webhook that the events are about, which does not receive the message.
    """

    at: datetime
    events: Sequence[Event]
    created: Event | None = None
    about_webhook: int | None = None
    audience: Audience | None = None

    @property
    def issue_id(self) -> int | None:
        """The only issue that the message is about; None for several issues or none."""
        ids = {event.issue_id for event in self.events}
        if self.created is not None:
            ids.add(self.created.issue_id)
        return ids.pop() if len(ids) == 1 else None

    def within(self, event_ids: Collection[int]) -> "Group | None":
        """Returns the group with only these events, as if the others did not exist; None if none are left."""
        events = [event for event in self.events if event.event_id in event_ids]
        created = self.created if self.created is not None and self.created.event_id in event_ids else None
        return msgspec.structs.replace(self, events=events, created=created) if events or created else None

    def message_for(self, subscription: Subscription) -> Message | None:
        """Returns the message for a webhook; None if its subscription matches nothing in the group."""
        if subscription.webhook_id == self.about_webhook:
            return None
        if self.audience is not None:
            return self._update_for(subscription, self.audience)
        seen = subscription.visible(self.events)
        if self.created is not None:
            covered = bool(seen) or not subscription.companies
            if covered and subscription.includes(self.created.type):
                assigned = [{"company_name": event.company_name, "status": event.after} for event in seen]
                data = _data(self.created) | {"assignments": assigned}
                return Message(self.created.type.value, iso(self.at), data)
        if not seen:
            return None
        type_ = seen[0].type
        if len(self.events) == 1:
            included = subscription.includes(type_)
            return Message(type_.value, iso(self.at), _data(seen[0])) if included else None
        if not subscription.includes(type_, in_bulk=True):
            return None
        every = [_data(event) for event in seen]
        url = None if self.issue_id is None else PAGE.format(self.issue_id)
        if type_ in BULK_TYPES:
            return Message(BULK_TYPES[type_], iso(self.at), {"events": every, "url": url})
        return Message(type_.value, iso(self.at), _shared(every) | {"events": every, "url": url})

    def _update_for(self, subscription: Subscription, audience: Audience) -> Message | None:
        """Returns an update with those of its companies that the subscription covers; its text only if it is public.

        Receivers are often outside the helpdesk, and an internal text is intended for the helpdesk only.
        """
        [event] = self.events
        names = [
            name
            for company_id, name in audience.companies.items()
            if subscription.covers(company_id) and subscription.access.allows(company_id)
        ]
        if not subscription.includes(event.type) or (subscription.companies and not names):
            return None
        data = _data(event) | {"company_names": None if audience.for_all else names}
        if event.after != Readers.PUBLIC:
            data["note"] = None
        return Message(event.type.value, iso(self.at), data)


class Outbox:
    """The events that one transaction recorded for webhooks; its deliveries are written before the commit."""

    def __init__(self, tx: Connection) -> None:
        self.subscriptions = active_subscriptions(tx)
        self.collected: list[tuple[Event, datetime, int | None]] = []

    def add(self, events: Iterable[Event], at: datetime, about_webhook: int | None) -> None:
        """Adds events that were recorded at `at`. `about_webhook` is the webhook that they are about, or None."""
        self.collected += [(event, at, about_webhook) for event in events]

    def before_commit(self, tx: Connection) -> None:
        """Writes one delivery for each message and webhook."""
        if not self.collected:
            return
        visible = self._visible(tx)
        audiences = list_audiences(tx, ALL_COMPANIES, [event.update_id for event, _, _ in self.collected])
        rows = [
            delivery_row(subscription.webhook_id, new_message_id(), message, seen.at, seen.issue_id)
            for group in self._groups(audiences)
            for subscription in self.subscriptions
            if (seen := group if subscription.access.all else group.within(visible[subscription.access])) is not None
            and (message := seen.message_for(subscription)) is not None
        ]
        if not rows:
            return
        # Webhooks that receive the same have the same id, so that a receiver with several of them handles it once.
        ids = {row["body"]: row["message_id"] for row in rows}
        rows = [{**row, "message_id": ids[row["body"]]} for row in rows]
        # A webhook that was deleted concurrently must not make the change fail.
        subscribed = sorted({row["webhook_id"] for row in rows})
        query = select(webhooks.c.id).where(webhooks.c.id.in_(subscribed)).order_by(webhooks.c.id)
        present = set(tx.execute(query.with_for_update(read=True, key_share=True)).scalars())
        rows = [row for row in rows if row["webhook_id"] in present]
        if rows:
            tx.execute(insert(deliveries), rows)
            notify_on_commit(tx, CommitTopic.DELIVERIES)

    def _visible(self, tx: Connection) -> dict[CompanyAccess, frozenset[int]]:
        """Returns the ids of the recorded events that are visible under each limited company access."""
        accesses = {subscription.access for subscription in self.subscriptions if not subscription.access.all}
        ids = [event.event_id for event, _, _ in self.collected]
        return {
            access: frozenset(list_event_ids(tx, access, after=min(ids) - 1, until=max(ids))) for access in accesses
        }

    def _groups(self, audiences: Mapping[int | None, Audience]) -> Iterator[Group]:
        """Yields the groups, in the order of their first events."""
        created = {event.issue_id for event, _, _ in self.collected if event.type is EventType.ISSUE_CREATED}
        together: dict[Any, list[tuple[Event, datetime, int | None]]] = {}
        for recorded in self.collected:
            event = recorded[0]
            if event.issue_id in created and event.type in (EventType.ISSUE_CREATED, EventType.ASSIGNMENT_CREATED):
                together.setdefault(("created", event.issue_id), []).append(recorded)
            else:
                together.setdefault((event.type, recorded[2], event.update_id), []).append(recorded)
        for part in together.values():
            first, at, about_webhook = part[0]
            new = first if first.type is EventType.ISSUE_CREATED else None
            events = [event for event, _, _ in part if event is not new]
            yield Group(at, events, new, about_webhook, audiences.get(first.update_id))


def outbox(tx: Connection) -> Outbox:
    """Returns the outbox of this transaction."""
    return once_in_transaction(tx, Outbox)


def active_subscriptions(tx: Connection) -> list[Subscription]:
    """Returns the subscriptions of the webhooks that are active now."""
    rows = _active.rows(tx)
    limited = load_accesses(tx, {row.user_id for row in rows if row.user_id is not None})
    return [
        Subscription(
            webhook_id=row.id,
            types=msgspec.json.decode(row.event_types, type=frozenset[str]),
            companies=msgspec.json.decode(row.company_ids, type=frozenset[int]),
            access=limited.get(row.user_id, ALL_COMPANIES),
        )
        for row in rows
    ]


_limited_owner = and_(users.c.user_id == webhooks.c.owner_id, users.c.all_companies.is_(False))
_active = Prepared(
    lambda _: (
        select(webhooks.c.id, webhooks.c.event_types, webhooks.c.company_ids, users.c.user_id)
        .join(users, _limited_owner, isouter=True)
        .where(webhooks.c.active, users.c.role.is_distinct_from(Role.CUSTOMER.value))
    )
)
"""The active webhooks, with the id of the owner if the owner's company access is limited. Webhooks of an owner who has
become a customer are excluded, because messages contain what technicians write.
"""


def delivery_row(
    webhook_id: int, message_id: str, message: Message, at: datetime, issue_id: int | None = None
) -> dict[str, Any]:
    """Returns the row of a delivery that is due immediately. URLs in its body are completed when it is sent."""
    return {
        "webhook_id": webhook_id,
        "message_id": message_id,
        "issue_id": issue_id,
        "type": message.type,
        # Names are instances of subclasses of str.
        "body": msgspec.json.encode(message, enc_hook=str).decode(),
        "state": State.PENDING.value,
        "attempts": 0,
        "due_at": at,
        "created_at": at,
    }


def complete_body(body: str, public_url: str) -> str:
    """Returns the body of a message as it is sent, with the complete URL of the issue's page in `data.url`.

    Stored messages contain only the path. The delivering process has the public URL in its settings, while a command
    that changes data may run without it; and waiting messages follow when the service moves.
    """
    message = msgspec.json.decode(body)
    data = message["data"]
    for part in (data, *data.get("events", ())):
        if part.get("url") is not None:
            part["url"] = public_url.rstrip("/") + part["url"]
    return msgspec.json.encode(message).decode()


def new_message_id() -> str:
    """Returns a `webhook-id`: that of each attempt to send a message, by which receivers recognize it."""
    return f"msg_{uuid.uuid4().hex}"


def _data(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(event, enc_hook=str)
    return fields | {"url": None if event.issue_id is None else PAGE.format(event.issue_id)}


def _shared(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns what events of one kind have in common, as the fields of one event: fields that differ are null.

    `event_id` is that of the last one, by which receivers order messages.
    """
    last = events[-1]
    shared = {name: value if all(event[name] == value for event in events) else None for name, value in last.items()}
    return shared | {"event_id": last["event_id"]}
