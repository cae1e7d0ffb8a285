"""Webhooks and their deliveries, for super admins."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, func, select

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.clock import Timestamp, iso
from issue_tracker.database.tables import companies, deliveries, delivery_attempts, webhooks
from issue_tracker.errors import NotFound


class State(StrEnum):
    """The state of a delivery: `pending` until it has succeeded or finally failed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Webhook(msgspec.Struct, frozen=True):
    """A webhook, without its secret. No companies means all; no types means all except audit events."""

    id: int
    url: str
    event_types: list[str]
    company_ids: list[int]
    active: bool
    description: str
    disabled_reason: str | None
    created_at: Timestamp
    updated_at: Timestamp


class Attempt(msgspec.Struct, frozen=True):
    """One attempt. Without code and error, it is in progress, or its worker was recently killed."""

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


def get_webhook(tx: Connection, actor: Actor, webhook_id: int) -> Webhook:
    """Returns a webhook. Raises NotFound."""
    require_administrator(actor)
    row = tx.execute(select(webhooks).where(webhooks.c.id == webhook_id)).first()
    if row is None:
        raise NotFound("There is no such webhook.")
    return webhook_from_row(row)


def list_webhooks(tx: Connection, actor: Actor) -> list[Webhook]:
    """Returns all webhooks, the newest first."""
    require_administrator(actor)
    return [webhook_from_row(row) for row in tx.execute(select(webhooks).order_by(webhooks.c.id.desc()))]


class Health(msgspec.Struct, frozen=True):
    """How the latest deliveries to one webhook went.

    `delivered_at` is the last success; `failures` counts the attempts since then, and `last` is the latest of these.
    `next_attempt_at` is when the next attempt is due; None if there is none.
    """

    delivered_at: Timestamp | None = None
    failures: int = 0
    last: Attempt | None = None
    next_attempt_at: Timestamp | None = None


LATEST = 20
"""Number of the latest deliveries from which the health of a webhook is computed."""


def get_health(tx: Connection, actor: Actor, webhook_id: int) -> Health:
    """Returns the health of a webhook. Raises NotFound."""
    deliveries_, _ = list_deliveries(tx, actor, webhook_id, before=None, limit=LATEST)
    attempts = sorted((each for one in deliveries_ for each in one.attempts), key=lambda each: each.at, reverse=True)
    finished = [each for each in attempts if each.code is not None or each.error is not None]
    delivered = next((number for number, each in enumerate(finished) if _succeeded(each)), None)
    due = [one.next_attempt_at for one in deliveries_ if one.next_attempt_at is not None]
    return Health(
        delivered_at=None if delivered is None else finished[delivered].at,
        failures=len(finished) if delivered is None else delivered,
        last=finished[0] if finished and delivered != 0 else None,
        next_attempt_at=min(due, default=None),
    )


def _succeeded(attempt: Attempt) -> bool:
    return attempt.code is not None and 200 <= attempt.code < 300


def is_chosen_by_a_webhook(tx: Connection, company_id: int) -> bool:
    """Returns whether any webhook, active or not, is limited to companies that include this one."""
    chosen = tx.execute(select(webhooks.c.company_ids).where(webhooks.c.company_ids != "[]")).scalars()
    return any(company_id in msgspec.json.decode(ids) for ids in chosen)


def get_delivery(tx: Connection, actor: Actor, delivery_id: int) -> Delivery:
    """Returns a delivery with its attempts. Raises NotFound."""
    require_administrator(actor)
    found = _with_attempts(tx, _deliveries().where(deliveries.c.id == delivery_id))
    if not found:
        raise NotFound("There is no such delivery.")
    return found[0]


def list_deliveries(
    tx: Connection, actor: Actor, webhook_id: int, *, before: int | None, limit: int
) -> tuple[list[Delivery], int]:
    """Returns the deliveries to a webhook with an id below `before`, the newest first, and the number of all.

    Raises NotFound for an unknown webhook.
    """
    get_webhook(tx, actor, webhook_id)
    query = _deliveries().where(deliveries.c.webhook_id == webhook_id).order_by(deliveries.c.id.desc()).limit(limit)
    found = _with_attempts(tx, query if before is None else query.where(deliveries.c.id < before))
    counted = select(func.count()).where(deliveries.c.webhook_id == webhook_id)
    return found, int(tx.execute(counted).scalar_one())


def list_known_company_ids(
    tx: Connection, actor: Actor, company_ids: Collection[int], *, lock: bool = False
) -> set[int]:
    """Returns those of the ids that belong to a company that the actor may see. With `lock`, no concurrent transaction
    can delete these companies.
    """
    same = companies.c.company_id.in_(sorted(company_ids))
    query = select(companies.c.company_id).where(same).order_by(companies.c.company_id)
    found = tx.execute(query.with_for_update(read=True, key_share=True) if lock else query).scalars()
    return {company_id for company_id in found if actor.company_access.allows(company_id)}


def webhook_from_row(row: Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        url=row.url,
        event_types=msgspec.json.decode(row.event_types),
        company_ids=msgspec.json.decode(row.company_ids),
        active=bool(row.active),
        description=row.description,
        disabled_reason=row.disabled_reason,
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
    )


def _deliveries() -> Select[Any]:
    return select(*(column for column in deliveries.c if column is not deliveries.c.body))


def _with_attempts(tx: Connection, query: Select[Any]) -> list[Delivery]:
    rows = tx.execute(query).all()
    ids = [row.id for row in rows]
    attempts: dict[int, list[Attempt]] = {}
    made = select(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(ids)).order_by(delivery_attempts.c.id)
    for row in tx.execute(made):
        attempt = Attempt(
            at=iso(row.at), code=row.code, duration_ms=row.milliseconds, error=row.error, answer=row.answer
        )
        attempts.setdefault(row.delivery_id, []).append(attempt)
    return [
        Delivery(
            id=row.id,
            webhook_id=row.webhook_id,
            message_id=row.message_id,
            type=row.type,
            state=State(row.state),
            created_at=iso(row.created_at),
            next_attempt_at=iso(row.due_at) if row.state == State.PENDING else None,
            attempts=attempts.get(row.id, []),
        )
        for row in rows
    ]
