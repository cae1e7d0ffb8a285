"""Webhooks: who is told of events, and what became of each message. Super admins only."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from issue_tracker.actor import Actor, require_super_admin
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.database.engine import News, announce, created_id
from issue_tracker.database.tables import companies, deliveries, delivery_attempts, webhooks
from issue_tracker.errors import FieldError, Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.messages import KNOWN_TYPES, TEST, Message, State, delivery_row, new_message_id
from issue_tracker.events.record import record

OVERLAP = timedelta(hours=24)
"""How long the old secret signs beside the new one."""


class Webhook(msgspec.Struct, frozen=True):
    """A webhook, without its secret. Empty lists mean all."""

    id: int
    url: str
    event_types: list[str]
    company_ids: list[int]
    active: bool
    description: str
    disabled_reason: str | None
    created_at: Timestamp
    updated_at: Timestamp


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is to be; None keeps what is there."""

    url: str | None = None
    event_types: Sequence[str] | None = None
    company_ids: Sequence[int] | None = None
    active: bool | None = None
    description: str | None = None


class Attempt(msgspec.Struct, frozen=True):
    """One attempt. Without code and error it is under way, or its worker was killed."""

    at: Timestamp
    code: int | None
    duration_ms: int | None
    error: str | None
    answer: str | None


class Delivery(msgspec.Struct, frozen=True):
    """One message to one webhook. `message_id` is the `webhook-id` of every attempt."""

    id: int
    webhook_id: int
    message_id: str
    type: str
    state: State
    created_at: Timestamp
    next_attempt_at: Timestamp | None
    attempts: list[Attempt]


def create_webhook(tx: Connection, actor: Actor, wanted: Wanted) -> tuple[Webhook, str]:
    """Creates a webhook and returns it with its secret, which is shown this once. Raises Invalid."""
    require_super_admin(actor)
    if wanted.url is None:
        raise Invalid.field("url", "is required")
    at = now()
    secret = _new_secret()
    values = {"event_types": "[]", "company_ids": "[]", "active": True, "description": ""} | _checked(tx, wanted)
    inserted = tx.execute(insert(webhooks).values(**values, secret=secret, created_at=at, updated_at=at))
    webhook = get_webhook(tx, actor, created_id(inserted))
    _record(tx, actor, EventType.WEBHOOK_CREATED, webhook, at)
    return webhook, secret


def update_webhook(tx: Connection, actor: Actor, webhook_id: int, wanted: Wanted) -> Webhook:
    """Changes what is given. Activating clears the reason for which it was disabled. Raises NotFound, Invalid."""
    require_super_admin(actor)
    row = _lock(tx, webhook_id)
    changes = {name: value for name, value in _checked(tx, wanted).items() if getattr(row, name) != value}
    if not changes:
        return _webhook(row)
    if "active" in changes:
        changes["disabled_reason"] = None
        announce(tx, News.DELIVERIES)
    at = now()
    tx.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**changes, updated_at=at))
    webhook = get_webhook(tx, actor, webhook_id)
    _record(tx, actor, EventType.WEBHOOK_UPDATED, webhook, at, ", ".join(sorted(changes.keys() - {"disabled_reason"})))
    return webhook


def delete_webhook(tx: Connection, actor: Actor, webhook_id: int) -> None:
    """Deletes a webhook with its deliveries. Raises NotFound."""
    require_super_admin(actor)
    webhook = _webhook(_lock(tx, webhook_id))
    tx.execute(delete(webhooks).where(webhooks.c.id == webhook_id))
    _record(tx, actor, EventType.WEBHOOK_DELETED, webhook, now())


def rotate_secret(tx: Connection, actor: Actor, webhook_id: int) -> tuple[Webhook, str]:
    """Gives a new secret, shown this once; the present one signs beside it for OVERLAP. Raises NotFound."""
    require_super_admin(actor)
    row = _lock(tx, webhook_id)
    at, secret = now(), _new_secret()
    values = {"secret": secret, "previous_secret": row.secret, "previous_secret_until": at + OVERLAP, "updated_at": at}
    tx.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))
    webhook = get_webhook(tx, actor, webhook_id)
    _record(tx, actor, EventType.WEBHOOK_UPDATED, webhook, at, "secret")
    return webhook, secret


def disable_webhook(tx: Connection, actor: Actor, webhook_id: int, reason: str) -> None:
    """Stops a webhook whose receiver is gone or keeps failing. What is pending waits for its activation."""
    at = now()
    values = {"active": False, "disabled_reason": reason, "updated_at": at}
    stopped = tx.execute(update(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.active).values(**values))
    if stopped.rowcount:
        _record(tx, actor, EventType.WEBHOOK_DISABLED, get_webhook(tx, actor, webhook_id), at, reason)


def get_webhook(tx: Connection, actor: Actor, webhook_id: int) -> Webhook:
    """Raises NotFound."""
    require_super_admin(actor)
    row = tx.execute(select(webhooks).where(webhooks.c.id == webhook_id)).first()
    if row is None:
        raise NotFound("No such webhook.")
    return _webhook(row)


def list_webhooks(tx: Connection, actor: Actor) -> list[Webhook]:
    """All webhooks, the newest first."""
    require_super_admin(actor)
    return [_webhook(row) for row in tx.execute(select(webhooks).order_by(webhooks.c.id.desc()))]


def is_chosen_by_a_webhook(tx: Connection, company_id: int) -> bool:
    """Returns whether any webhook, active or not, is limited to companies of which this is one."""
    chosen = tx.execute(select(webhooks.c.company_ids).where(webhooks.c.company_ids != "[]")).scalars()
    return any(company_id in msgspec.json.decode(ids) for ids in chosen)


def send_test(tx: Connection, actor: Actor, webhook_id: int) -> Delivery:
    """Queues a message of the type `webhook.test`. Raises NotFound, and Invalid when the webhook is not active."""
    webhook = get_webhook(tx, actor, webhook_id)
    if not webhook.active:
        raise Invalid("The webhook is not active; activate it first.")
    at = now()
    message = Message(TEST, iso(at), {"webhook_id": webhook_id, "text": "This is a test of the issue tracker."})
    announce(tx, News.DELIVERIES)
    inserted = tx.execute(insert(deliveries).values(**delivery_row(webhook_id, new_message_id(), message, at)))
    return get_delivery(tx, actor, created_id(inserted))


def list_deliveries(
    tx: Connection, actor: Actor, webhook_id: int, *, before: int | None, limit: int
) -> tuple[list[Delivery], int]:
    """Messages to a webhook with their attempts, the newest first, and how many there are. Raises NotFound."""
    get_webhook(tx, actor, webhook_id)
    query = _deliveries().where(deliveries.c.webhook_id == webhook_id).order_by(deliveries.c.id.desc()).limit(limit)
    found = _with_attempts(tx, query if before is None else query.where(deliveries.c.id < before))
    counted = select(func.count()).where(deliveries.c.webhook_id == webhook_id)
    return found, int(tx.execute(counted).scalar_one())


def get_delivery(tx: Connection, actor: Actor, delivery_id: int) -> Delivery:
    """Raises NotFound."""
    require_super_admin(actor)
    found = _with_attempts(tx, _deliveries().where(deliveries.c.id == delivery_id))
    if not found:
        raise NotFound("No such delivery.")
    return found[0]


def redeliver(tx: Connection, actor: Actor, delivery_id: int) -> Delivery:
    """Queues a message again, under its own id. Raises NotFound, and Invalid when the webhook is not active."""
    found = get_delivery(tx, actor, delivery_id)
    if not get_webhook(tx, actor, found.webhook_id).active:
        raise Invalid("The webhook is not active; activate it first.")
    announce(tx, News.DELIVERIES)
    values = {"state": State.PENDING.value, "attempts": 0, "due_at": now(), "claim": None}
    tx.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))
    return get_delivery(tx, actor, delivery_id)


def _checked(tx: Connection, wanted: Wanted) -> dict[str, Any]:
    values: dict[str, Any] = {}
    wrong = []
    if wanted.url is not None:
        values["url"] = wanted.url.strip()
        wrong += _wrong_with_url(wanted.url.strip())
    if wanted.event_types is not None:
        unknown = [name for name in wanted.event_types if name not in KNOWN_TYPES]
        if unknown:
            wrong.append(FieldError("event_types", f"{', '.join(unknown)[:200]}: no such type"))
        values["event_types"] = msgspec.json.encode(sorted(set(wanted.event_types))).decode()
    if wrong:
        raise Invalid.of(wrong)
    if wanted.company_ids is not None:
        ids = sorted(set(wanted.company_ids))
        known = set(tx.execute(select(companies.c.company_id).where(companies.c.company_id.in_(ids))).scalars())
        missing = [str(id_) for id_ in ids if id_ not in known]
        if missing:
            raise NotFound(f"There is no company with the id {', '.join(missing[:20])}.")
        values["company_ids"] = msgspec.json.encode(ids).decode()
    if wanted.active is not None:
        values["active"] = wanted.active
    if wanted.description is not None:
        values["description"] = wanted.description
    return values


def _wrong_with_url(url: str) -> list[FieldError]:
    try:
        parts = urlsplit(url)
        # An impossible port raises too.
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or any(character <= " " for character in url):
        return [FieldError("url", "must be an http or https address, such as https://hooks.example.com/issues")]
    if parts.username is not None or parts.fragment:
        return [FieldError("url", "must have neither a user name nor a fragment")]
    return []


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _record(
    tx: Connection, actor: Actor, type_: EventType, webhook: Webhook, at: datetime, what: str | None = None
) -> None:
    note = f"{webhook.id}: {webhook.url}" + (f" ({what})" if what else "")
    record(tx, actor, [Change(type=type_, note=note)], at, about_webhook=webhook.id)


def _lock(tx: Connection, webhook_id: int) -> Row[Any]:
    row = tx.execute(select(webhooks).where(webhooks.c.id == webhook_id).with_for_update()).first()
    if row is None:
        raise NotFound("No such webhook.")
    return row


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        row.id,
        row.url,
        msgspec.json.decode(row.event_types),
        msgspec.json.decode(row.company_ids),
        bool(row.active),
        row.description,
        row.disabled_reason,
        iso(row.created_at),
        iso(row.updated_at),
    )


def _deliveries() -> Select[Any]:
    return select(*(column for column in deliveries.c if column is not deliveries.c.body))


def _with_attempts(tx: Connection, query: Select[Any]) -> list[Delivery]:
    rows = tx.execute(query).all()
    ids = [row.id for row in rows]
    attempts: dict[int, list[Attempt]] = {}
    made = select(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(ids)).order_by(delivery_attempts.c.id)
    for row in tx.execute(made):
        attempt = Attempt(iso(row.at), row.code, row.milliseconds, row.error, row.answer)
        attempts.setdefault(row.delivery_id, []).append(attempt)
    return [
        Delivery(
            row.id,
            row.webhook_id,
            row.message_id,
            row.type,
            State(row.state),
            iso(row.created_at),
            iso(row.due_at) if row.state == State.PENDING else None,
            attempts.get(row.id, []),
        )
        for row in rows
    ]
