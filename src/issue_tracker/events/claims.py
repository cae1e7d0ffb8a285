"""Claims of deliveries: they decide which messages are sent now, by this worker and no other.

A worker claims a delivery with an UPDATE that succeeds only if no other worker claimed it meanwhile. Until the claim
expires, the delivery belongs to the worker; a worker that is killed leaves it to the next one. The killed worker's
attempt is lost, and does not count against the receiver, because the receiver's response is unknown.

Messages about one issue are sent in the order of the changes: a message waits while an earlier one about the same issue
is being sent or has not been tried yet. A failed message waits for its next attempt and does not delay the others.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, insert, literal, or_, select, update

from issue_tracker.clock import SKEW
from issue_tracker.database.engine import Database, created_id
from issue_tracker.database.tables import deliveries, delivery_attempts, webhooks
from issue_tracker.events.queries.webhooks import State
from issue_tracker.events.signing_secrets import former_secrets
from issue_tracker.events.slots import Slots

WINDOW = 200
"""Number of deliveries of a webhook that are considered at a time."""

LONGEST_DELAY = timedelta(hours=24)
"""Maximum time between two attempts, even if the receiver requests more."""

LOST = "the worker was stopped before the outcome was known; this attempt does not count"
"""The error of an attempt whose worker was killed or stopped."""

# Written into the statement as a literal, because the partial index on pending deliveries requires it.
_PENDING = deliveries.c.state == literal(State.PENDING.value, literal_execute=True)


class ClaimedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that this worker has claimed, with everything needed to send it. `failures` counts earlier
    attempts.
    """

    id: int
    attempt_id: int
    failures: int
    claim: str
    webhook_id: int
    url: str
    signing_secrets: Sequence[str]
    message_id: str
    body: str


def claim_due_deliveries(database: Database, at: datetime, *, lease: timedelta, slots: Slots) -> list[ClaimedDelivery]:
    """Claims deliveries that are due at `at`, each for the duration of `lease`, as long as there are free slots.

    The caller must release the slot of each claimed delivery after the attempt.
    """
    due: list[Row[Any]] = []
    claimed: list[ClaimedDelivery] = []
    try:
        with database.read() as tx:
            for webhook_id in tx.execute(_webhooks_with_due_deliveries(at)).scalars().all():
                due += _take_next(tx, webhook_id, at, lease, slots)
        if due:
            with database.write() as tx:
                found = [delivery for row in due if (delivery := _claim(tx, row, at, lease)) is not None]
            claimed = found
    finally:
        ours = {delivery.id for delivery in claimed}
        for row in due:
            if row.id not in ours:
                slots.release(row.webhook_id, answered=None)
    return claimed


def mark_lost(tx: Connection, delivery_id: int) -> None:
    """Gives the attempts of a delivery whose outcome is unknown the error LOST."""
    attempts = delivery_attempts.c
    unknown = attempts.delivery_id == delivery_id, attempts.code.is_(None), attempts.error.is_(None)
    tx.execute(update(delivery_attempts).where(*unknown).values(error=LOST))


def forget_wrong_clock(database: Database, at: datetime) -> None:
    """Makes failed deliveries due at `at` whose last attempt is even later: the clock was wrong, and their next attempt
    would wait until then. It is for the moment at which a clock is found to have been corrected.
    """
    attempts = delivery_attempts.c
    last = select(attempts.at).where(attempts.delivery_id == deliveries.c.id).order_by(attempts.id.desc()).limit(1)
    waiting = _PENDING, deliveries.c.claim.is_(None), deliveries.c.attempts > 0, deliveries.c.due_at > at + SKEW
    with database.read() as tx:
        ids = tx.execute(select(deliveries.c.id).where(*waiting, last.scalar_subquery() > at + SKEW)).scalars().all()
    for start in range(0, len(ids), WINDOW):
        some = deliveries.c.id.in_(ids[start : start + WINDOW])
        with database.write() as tx:
            tx.execute(update(deliveries).where(some, *waiting).values(due_at=at))


def _webhooks_with_due_deliveries(at: datetime) -> Select[Any]:
    due = select(deliveries.c.webhook_id).where(_PENDING, or_(deliveries.c.due_at <= at, _of_wrong_clock(at)))
    return select(webhooks.c.id).where(webhooks.c.active, webhooks.c.id.in_(due)).order_by(webhooks.c.id)


def _of_wrong_clock(at: datetime) -> ColumnElement[bool]:
    """Returns the condition that a delivery waits longer than any may: the clock was wrong."""
    return deliveries.c.due_at > at + LONGEST_DELAY + SKEW


def _is_due(row: Row[Any], at: datetime, lease: timedelta) -> bool:
    """Returns whether a delivery is due, or a wrong clock has set the time at which it would be."""
    if row.claim is not None:
        longest = lease
    elif row.attempts == 0:
        longest = timedelta(0)
    else:
        longest = LONGEST_DELAY
    return not at < row.due_at <= at + longest + SKEW


def _take_next(tx: Connection, webhook_id: int, at: datetime, lease: timedelta, slots: Slots) -> list[Row[Any]]:
    """Returns the deliveries of a webhook to claim now, with a slot for each. Skips those between two attempts."""
    if slots.full(webhook_id):
        return []
    window: Select[Any] = (
        select(
            deliveries.c.id,
            deliveries.c.webhook_id,
            deliveries.c.issue_id,
            deliveries.c.due_at,
            deliveries.c.claim,
            deliveries.c.attempts,
        )
        .where(
            deliveries.c.webhook_id == webhook_id,
            _PENDING,
            or_(
                deliveries.c.due_at <= at,
                deliveries.c.claim.is_not(None),
                deliveries.c.attempts == 0,
                _of_wrong_clock(at),
            ),
        )
        .order_by(deliveries.c.id)
        .limit(WINDOW)
    )
    taken: list[Row[Any]] = []
    earlier: set[int] = set()
    for row in tx.execute(window).all():
        # A message about several issues, or about none, keeps its order relative to all others.
        if row.issue_id is None and earlier:
            break
        if row.issue_id not in earlier and _is_due(row, at, lease):
            if not slots.take(webhook_id):
                break
            taken.append(row)
        if row.issue_id is None:
            break
        earlier.add(row.issue_id)
    return taken


def _claim(tx: Connection, row: Row[Any], at: datetime, lease: timedelta) -> ClaimedDelivery | None:
    """Claims a delivery and returns it; None if another worker was first, or the webhook was deleted."""
    query = (
        select(
            deliveries.c.message_id,
            deliveries.c.body,
            deliveries.c.webhook_id,
            webhooks.c.url,
            webhooks.c.secret,
            webhooks.c.previous_secret,
            webhooks.c.previous_secret_until,
            webhooks.c.older_secrets,
        )
        .join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
        .where(deliveries.c.id == row.id)
    )
    claim = secrets.token_hex(16)
    unchanged = (
        (deliveries.c.id == row.id)
        & (deliveries.c.state == State.PENDING.value)
        & (deliveries.c.attempts == row.attempts)
        & deliveries.c.claim.is_not_distinct_from(row.claim)
    )
    updated = tx.execute(update(deliveries).where(unchanged).values(claim=claim, due_at=at + lease))
    found = tx.execute(query).first() if updated.rowcount else None
    if found is None:
        return None
    if row.claim is not None:
        mark_lost(tx, row.id)
    attempt = tx.execute(insert(delivery_attempts).values(delivery_id=row.id, at=at))
    return ClaimedDelivery(
        id=row.id,
        attempt_id=created_id(attempt),
        failures=row.attempts,
        claim=claim,
        webhook_id=found.webhook_id,
        url=found.url,
        signing_secrets=[found.secret, *(former.secret for former in former_secrets(found, at))],
        message_id=found.message_id,
        body=found.body,
    )
