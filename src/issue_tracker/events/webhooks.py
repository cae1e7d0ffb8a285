"""Operations on webhooks and their deliveries, for super admins only."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from issue_tracker.actor import Actor, require_administrator, require_fresh_proof
from issue_tracker.clock import iso, now
from issue_tracker.database.commit_topics import CommitTopic, notify_on_commit
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import deliveries, webhooks
from issue_tracker.encryption import Keyring
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.claims import mark_lost
from issue_tracker.events.messages import KNOWN_TYPES, TEST, Message, delivery_row, new_message_id
from issue_tracker.events.queries.webhooks import (
    Delivery,
    State,
    Webhook,
    get_delivery,
    get_webhook,
    list_known_company_ids,
    webhook_from_row,
)
from issue_tracker.events.record import record
from issue_tracker.events.signing_secrets import former_secrets, new_secret, stored_form
from issue_tracker.field_errors import FieldErrors
from issue_tracker.new_names import require_visible
from issue_tracker.outbound.address import parse_address
from issue_tracker.settings import PREFIX

OVERLAP = timedelta(hours=24)
"""How long the old secret continues to sign after a rotation."""

MOST_FORMER = 20
"""Maximum number of former secrets that sign: receivers limit the length of headers, and each adds 48 characters."""


class WebhookFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a webhook to create or change; None leaves a field unchanged."""

    url: str | None = None
    event_types: Sequence[str] | None = None
    company_ids: Sequence[int] | None = None
    active: bool | None = None
    description: str | None = None


def create_webhook(
    tx: Connection, actor: Actor, keyring: Keyring, fields: WebhookFields, *, most: int | None = None
) -> tuple[Webhook, str]:
    """Creates a webhook. Returns it with its secret, which is stored encrypted and never shown again.

    `most` is the maximum number of webhooks. Raises Invalid, also if there are that many; NotFound for unknown
    companies; ConfirmationRequired; and Forbidden.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    if most is not None and tx.execute(select(func.count()).select_from(webhooks)).scalar_one() >= most:
        raise Invalid(f"There are {most} webhooks, which is the maximum ({PREFIX}WEBHOOKS). Delete one first.")
    at = now()
    secret = new_secret()
    _require_valid(tx, actor, fields, fields.description, new=True)
    values = {"event_types": "[]", "company_ids": "[]", "active": True, "description": ""} | _values(fields)
    values |= {"owner_id": actor.user_id, "secret": keyring.encrypt(secret), "created_at": at, "updated_at": at}
    inserted = tx.execute(insert(webhooks).values(**values))
    webhook = get_webhook(tx, actor, created_id(inserted))
    _record(tx, actor, EventType.WEBHOOK_CREATED, webhook, at)
    return webhook, secret


def update_webhook(tx: Connection, actor: Actor, webhook_id: int, fields: WebhookFields) -> Webhook:
    """Changes the given fields. Activation clears `disabled_reason`.

    Raises NotFound and Invalid; and ConfirmationRequired for changes that send data elsewhere: another URL, other
    events or companies, and activation.
    """
    require_administrator(actor)
    row = _lock(tx, webhook_id)
    changes = {name: value for name, value in _values(fields).items() if getattr(row, name) != value}
    if not changes:
        return webhook_from_row(row)
    if changes.keys() & {"url", "event_types", "company_ids"} or changes.get("active"):
        require_fresh_proof(actor)
    _require_valid(tx, actor, fields, changes.get("description"))
    if "active" in changes:
        changes["disabled_reason"] = None
        notify_on_commit(tx, CommitTopic.DELIVERIES)
    at = now()
    tx.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**changes, updated_at=at))
    webhook = get_webhook(tx, actor, webhook_id)
    _record(tx, actor, EventType.WEBHOOK_UPDATED, webhook, at, ", ".join(sorted(changes.keys() - {"disabled_reason"})))
    return webhook


def delete_webhook(tx: Connection, actor: Actor, webhook_id: int) -> None:
    """Deletes a webhook with its deliveries. Raises NotFound."""
    require_administrator(actor)
    webhook = webhook_from_row(_lock(tx, webhook_id))
    tx.execute(delete(webhooks).where(webhooks.c.id == webhook_id))
    _record(tx, actor, EventType.WEBHOOK_DELETED, webhook, now())


def rotate_secret(tx: Connection, actor: Actor, keyring: Keyring, webhook_id: int) -> tuple[Webhook, str]:
    """Gives a webhook a new secret, which is never shown again; for OVERLAP, the replaced one continues to sign.

    Raises NotFound, Invalid if MOST_FORMER secrets continue to sign already, and ConfirmationRequired.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    row = _lock(tx, webhook_id)
    at, secret = now(), new_secret()
    older = former_secrets(row, at)
    if len(older) >= MOST_FORMER:
        raise Invalid(f"{MOST_FORMER} secrets were replaced within 24 hours, which is the maximum. Try again later.")
    values = {
        "secret": keyring.encrypt(secret),
        "previous_secret": row.secret,
        "previous_secret_until": at + OVERLAP,
        "older_secrets": stored_form(older),
        "updated_at": at,
    }
    tx.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))
    webhook = get_webhook(tx, actor, webhook_id)
    _record(tx, actor, EventType.WEBHOOK_UPDATED, webhook, at, "secret")
    return webhook, secret


def disable_webhook(tx: Connection, actor: Actor, webhook_id: int, url: str, reason: str) -> None:
    """Deactivates a webhook whose receiver at this URL is gone or fails repeatedly, unless it has another URL by now.

    Pending deliveries wait for its activation.
    """
    at = now()
    values = {"active": False, "disabled_reason": reason, "updated_at": at}
    same = webhooks.c.id == webhook_id, webhooks.c.url == url, webhooks.c.active
    if tx.execute(update(webhooks).where(*same).values(**values)).rowcount:
        _record(tx, actor, EventType.WEBHOOK_DISABLED, get_webhook(tx, actor, webhook_id), at, reason)


def send_test(tx: Connection, actor: Actor, webhook_id: int) -> Delivery:
    """Queues a message of the type `webhook.test`. Raises NotFound, and Invalid if the webhook is not active."""
    _require_active(get_webhook(tx, actor, webhook_id))
    at = now()
    message = Message(TEST, iso(at), {"webhook_id": webhook_id, "text": "This is a test of the issue tracker."})
    notify_on_commit(tx, CommitTopic.DELIVERIES)
    inserted = tx.execute(insert(deliveries).values(**delivery_row(webhook_id, new_message_id(), message, at)))
    return get_delivery(tx, actor, created_id(inserted))


def redeliver(tx: Connection, actor: Actor, delivery_id: int) -> Delivery:
    """Queues a message again, with the same id. Raises NotFound, and Invalid if the webhook is not active.

    An attempt in progress no longer counts. If its worker is alive, the outcome replaces the error of a lost attempt.
    """
    found = get_delivery(tx, actor, delivery_id)
    _require_active(get_webhook(tx, actor, found.webhook_id))
    notify_on_commit(tx, CommitTopic.DELIVERIES)
    values = {"state": State.PENDING.value, "attempts": 0, "due_at": now(), "claim": None}
    tx.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))
    mark_lost(tx, delivery_id)
    return get_delivery(tx, actor, delivery_id)


def _require_active(webhook: Webhook) -> None:
    if not webhook.active:
        raise Invalid("The webhook is not active; activate it first.")


def _values(fields: WebhookFields) -> dict[str, Any]:
    """Returns the given fields as they are stored."""
    given = {name: value for name, value in msgspec.structs.asdict(fields).items() if value is not None}
    if "url" in given:
        given["url"] = given["url"].strip()
    for name in ("event_types", "company_ids"):
        if name in given:
            given[name] = msgspec.json.encode(sorted(set(given[name]))).decode()
    return given


def _require_valid(
    tx: Connection, actor: Actor, fields: WebhookFields, new_description: str | None, *, new: bool = False
) -> None:
    """Raises Invalid for the URL, which a new webhook must have, the event types and a new description; NotFound for
    the companies, which are locked.
    """
    errors = FieldErrors()
    if fields.url is not None:
        try:
            parse_address(fields.url.strip())
        except ValueError as refused:
            errors.add("url", str(refused))
    elif new:
        errors.add("url", "is required")
    unknown = [name for name in fields.event_types or () if name not in KNOWN_TYPES]
    if unknown:
        errors.add("event_types", f"contains unknown types: {', '.join(unknown)[:200]}")
    with errors.collected():
        require_visible("description", new_description or "")
    errors.raise_found()
    if fields.company_ids is not None:
        ids = sorted(set(fields.company_ids))
        known = list_known_company_ids(tx, actor, ids, lock=True)
        missing = [str(id_) for id_ in ids if id_ not in known]
        if missing:
            there = "There is no company with the id" if len(missing) == 1 else "There are no companies with the ids"
            raise NotFound(f"{there} {', '.join(missing[:20])}.")


def _record(
    tx: Connection, actor: Actor, type_: EventType, webhook: Webhook, at: datetime, what: str | None = None
) -> None:
    note = f"{webhook.id}: {webhook.url}" + (f" ({what})" if what else "")
    record(tx, actor, [Change(type=type_, note=note)], at, about_webhook=webhook.id)


def _lock(tx: Connection, webhook_id: int) -> Row[Any]:
    row = tx.execute(select(webhooks).where(webhooks.c.id == webhook_id).with_for_update()).first()
    if row is None:
        raise NotFound("There is no such webhook.")
    return row
