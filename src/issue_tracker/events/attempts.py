"""The outcome of an attempt to deliver a message, and the time of the next attempt.

Retries follow the schedule of Standard Webhooks, with jitter, over about a day. Only attempts with a known outcome
count: one that was lost with its worker says nothing about the receiver.
"""

import random
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from sqlalchemy import Connection, select, update

from issue_tracker.actor import command_line
from issue_tracker.database.tables import deliveries, delivery_attempts, webhooks
from issue_tracker.events.claims import LONGEST_DELAY, ClaimedDelivery
from issue_tracker.events.queries.webhooks import State
from issue_tracker.events.webhooks import disable_webhook
from issue_tracker.outbound.outcomes import Outcome

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
"""The delay after each failure. A failure after the last delay is final, and disables the webhook."""


def record_outcome(tx: Connection, delivery: ClaimedDelivery, outcome: Outcome, at: datetime) -> None:
    """Records the outcome of an attempt, and updates the delivery unless its claim has expired.

    What the receiver at a former URL says about itself does not disable the webhook.
    """
    tx.execute(
        update(delivery_attempts)
        .where(delivery_attempts.c.id == delivery.attempt_id)
        .values(code=outcome.code, milliseconds=outcome.milliseconds, error=outcome.error, answer=outcome.answer)
    )
    failures = delivery.failures + 1
    values: dict[str, Any] = {"claim": None, "attempts": failures}
    disabled: str | None = None
    if outcome.code is not None and 200 <= outcome.code < 300:
        values |= {"state": State.DELIVERED.value, "attempts": delivery.failures}
    elif outcome.code == 410 and not _has_moved(tx, delivery):
        values["state"] = State.FAILED.value
        disabled = "the receiver responded with 410 Gone"
    elif failures > len(SCHEDULE):
        values["state"] = State.FAILED.value
        disabled = f"a message failed {failures} times, the last time with {outcome.error or outcome.code}"
    else:
        values["due_at"] = at + retry_delay(failures, outcome.retry_after, at)
    mine = (deliveries.c.id == delivery.id) & (deliveries.c.claim == delivery.claim)
    updated = tx.execute(update(deliveries).where(mine).values(**values))
    if updated.rowcount and disabled:
        disable_webhook(tx, command_line("webhook delivery"), delivery.webhook_id, delivery.url, disabled)


def _has_moved(tx: Connection, delivery: ClaimedDelivery) -> bool:
    """Returns whether the webhook got another URL during the attempt, whose receiver has not responded yet."""
    query = select(webhooks.c.url).where(webhooks.c.id == delivery.webhook_id)
    return tx.execute(query).scalar() not in (None, delivery.url)


def retry_delay(failures: int, retry_after: str | None, at: datetime) -> timedelta:
    """Returns the delay after a number of failures: as scheduled, ±10 %, or longer if the receiver requests it.

    `retry_after` is the value of the receiver's Retry-After header, received at `at`.
    """
    delay = SCHEDULE[failures - 1] * random.uniform(0.9, 1.1)
    if retry_after is None:
        return delay
    return max(delay, min(_requested_delay(retry_after.strip(), at), LONGEST_DELAY))


def _requested_delay(retry_after: str, at: datetime) -> timedelta:
    """Returns the delay in a Retry-After header (RFC 9110, 10.2.3); zero if the untrusted text cannot be parsed."""
    if retry_after.isascii() and retry_after.isdigit():
        return timedelta(seconds=int(retry_after)) if len(retry_after) < 9 else LONGEST_DELAY
    try:
        until = parsedate_to_datetime(retry_after)
        return until - at if until.tzinfo else timedelta(0)
    except (ValueError, OverflowError):
        return timedelta(0)
