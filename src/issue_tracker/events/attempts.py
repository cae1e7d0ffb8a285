"""Attempts to deliver a message, as the database records them: claims, outcomes, and when to try again.

A worker claims a delivery by an UPDATE that succeeds only if no one else claimed it meanwhile. Until the claim lapses
the delivery is the worker's; a worker that is killed leaves it to the next. Retries follow the schedule of Standard
Webhooks, with jitter, over about a day.
"""

import random
import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from issue_tracker.actor import command_line
from issue_tracker.database.engine import Database, created_id
from issue_tracker.database.tables import deliveries, delivery_attempts, webhooks
from issue_tracker.events.outbound import Outcome
from issue_tracker.events.queries.webhooks import State
from issue_tracker.events.webhooks import disable_webhook

SCHEDULE = tuple(
    timedelta(**delay)
    for delay in (
        {"seconds": 5},
        {"minutes": 5},
        {"minutes": 30},
        {"hours": 2},
        {"hours": 5},
        {"hours": 10},
        {"hours": 14},
    )
)
"""The delay after each failure; after the last of them the message fails for good, and its webhook is disabled."""

LONGEST_DELAY = timedelta(hours=24)


class ClaimedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that this worker has claimed, with what it needs to send it. `attempts` includes this one."""

    id: int
    attempt_id: int
    attempts: int
    claim: str
    webhook_id: int
    url: str
    signing_secrets: Sequence[str]
    message_id: str
    body: str


def claim_due_deliveries(
    database: Database, at: datetime, *, lease: timedelta, limit: int, busy: Counter[int], limit_per_webhook: int
) -> list[ClaimedDelivery]:
    """Claims at most `limit` of the deliveries that are due at `at`, each for as long as the lease.

    `busy` says how many are on their way to each webhook. With those, no webhook gets more than `limit_per_webhook`,
    so that one slow receiver does not take all the capacity.
    """
    full = [webhook_id for webhook_id, count in busy.items() if count >= limit_per_webhook]
    query = (
        select(
            deliveries,
            webhooks.c.url,
            webhooks.c.secret,
            webhooks.c.previous_secret,
            webhooks.c.previous_secret_until,
        )
        .join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
        .where(deliveries.c.state == State.PENDING.value, deliveries.c.due_at <= at, webhooks.c.active)
        .order_by(deliveries.c.due_at)
        .limit(limit)
    )
    if full:
        query = query.where(deliveries.c.webhook_id.not_in(full))
    with database.read() as tx:
        due = tx.execute(query).all()
    if not due:
        return []
    claimed: list[ClaimedDelivery] = []
    taken = busy.copy()
    with database.write() as tx:
        for row in due:
            taken[row.webhook_id] += 1
            if taken[row.webhook_id] <= limit_per_webhook and (one := _claim(tx, row, at, lease)) is not None:
                claimed.append(one)
    return claimed


def _claim(tx: Connection, row: Row[Any], at: datetime, lease: timedelta) -> ClaimedDelivery | None:
    """The delivery, claimed; None if another worker was first."""
    claim = secrets.token_hex(16)
    updated = tx.execute(
        update(deliveries)
        .where(
            deliveries.c.id == row.id,
            deliveries.c.state == State.PENDING.value,
            deliveries.c.attempts == row.attempts,
        )
        .values(attempts=row.attempts + 1, claim=claim, due_at=at + lease)
    )
    if updated.rowcount == 0:
        return None
    attempt = tx.execute(insert(delivery_attempts).values(delivery_id=row.id, at=at))
    signing = [row.secret]
    if row.previous_secret and row.previous_secret_until > at:
        signing.append(row.previous_secret)
    return ClaimedDelivery(
        id=row.id,
        attempt_id=created_id(attempt),
        attempts=row.attempts + 1,
        claim=claim,
        webhook_id=row.webhook_id,
        url=row.url,
        signing_secrets=signing,
        message_id=row.message_id,
        body=row.body,
    )


def record_outcome(tx: Connection, delivery: ClaimedDelivery, outcome: Outcome, at: datetime) -> None:
    """Records the outcome of an attempt, and what follows from it; if the claim lapsed, only the attempt."""
    tx.execute(
        update(delivery_attempts)
        .where(delivery_attempts.c.id == delivery.attempt_id)
        .values(code=outcome.code, milliseconds=outcome.milliseconds, error=outcome.error, answer=outcome.answer)
    )
    values: dict[str, Any] = {"claim": None}
    disabled: str | None = None
    if outcome.code is not None and 200 <= outcome.code < 300:
        values["state"] = State.DELIVERED.value
    elif outcome.code == 410:
        values["state"] = State.FAILED.value
        disabled = "the receiver answered 410 Gone"
    elif delivery.attempts > len(SCHEDULE):
        values["state"] = State.FAILED.value
        disabled = f"a message failed {delivery.attempts} times, the last time with {outcome.error or outcome.code}"
    else:
        values["due_at"] = at + retry_delay(delivery.attempts, outcome.retry_after, at)
    mine = (deliveries.c.id == delivery.id) & (deliveries.c.claim == delivery.claim)
    updated = tx.execute(update(deliveries).where(mine).values(**values))
    if updated.rowcount and disabled:
        disable_webhook(tx, command_line("webhook delivery"), delivery.webhook_id, disabled)


def retry_delay(attempts: int, retry_after: str | None, at: datetime) -> timedelta:
    """The delay after so many failed attempts: as scheduled, plus or minus a tenth; longer if the receiver requests it.

    `retry_after` is the value of the receiver's header Retry-After, received at `at`.
    """
    delay = SCHEDULE[attempts - 1] * random.uniform(0.9, 1.1)
    if retry_after is None:
        return delay
    return max(delay, min(_requested_delay(retry_after.strip(), at), LONGEST_DELAY))


def _requested_delay(retry_after: str, at: datetime) -> timedelta:
    """What Retry-After says (RFC 9110, 10.2.3). It comes from a stranger: what cannot be understood means no delay."""
    if retry_after.isascii() and retry_after.isdigit():
        return timedelta(seconds=int(retry_after)) if len(retry_after) < 9 else LONGEST_DELAY
    try:
        until = parsedate_to_datetime(retry_after)
        return until - at if until.tzinfo else timedelta(0)
    except (ValueError, OverflowError):
        return timedelta(0)
