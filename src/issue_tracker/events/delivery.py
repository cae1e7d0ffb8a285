"""Delivering messages to webhooks, at least once, by any number of workers on any number of machines.

A worker claims a delivery by an UPDATE that holds only if nobody else did meanwhile, and commits. Until the claim
lapses it is the worker's; a worker that is killed leaves it to the next. No transaction is open while a message is on
its way. Retries follow the schedule of Standard Webhooks, with jitter, over about a day.
"""

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks import Webhook as Signer

from issue_tracker.actor import command_line
from issue_tracker.clock import now
from issue_tracker.database.engine import Database, created_id
from issue_tracker.database.tables import deliveries, delivery_attempts, webhooks
from issue_tracker.errors import AppError
from issue_tracker.events import outbound
from issue_tracker.events.messages import State
from issue_tracker.events.outbound import Outcome
from issue_tracker.events.webhooks import disable_webhook
from issue_tracker.settings import Settings, networks

log = structlog.get_logger("issue_tracker.deliveries")

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
"""The waits after each failure; after the last of them the message, and its webhook, are given up."""

LONGEST_WAIT = timedelta(hours=24)
AT_ONCE = 8
AT_ONCE_PER_WEBHOOK = 4
POLL_SECONDS = 1.0

USER_AGENT = f"issue-tracker/{version('issue-tracker')}"


class Claimed(msgspec.Struct, frozen=True):
    """A delivery that this worker has taken on, with what it needs to be sent."""

    id: int
    attempt_id: int
    attempts: int
    claim: str
    webhook_id: int
    url: str
    keys: Sequence[str]
    message_id: str
    body: str


class Deliverer:
    """One worker: `run` in a thread of its own, or `deliver_due` for what is due now."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._allowed = networks(settings.webhook_allowed_networks)
        self._seconds = settings.webhook_timeout_seconds
        # Far longer than an attempt can take: while it holds, no one else sends the same.
        self._lease = timedelta(seconds=3 * settings.webhook_timeout_seconds)
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._busy: Counter[int] = Counter()

    def wake(self) -> None:
        """Has it look at once for what is due."""
        self._news.set()

    def close(self) -> None:
        """Claims nothing any more, and waits a moment for what is on its way; what then is left lapses."""
        self._stopping.set()
        self._news.set()
        deadline = time.monotonic() + 2
        while self._busy.total() and time.monotonic() < deadline:
            time.sleep(0.02)

    def run(self) -> None:
        """Delivers until closed."""
        while not self._stopping.is_set():
            self._news.clear()
            if not self._start_due():
                self._news.wait(POLL_SECONDS)

    def deliver_due(self) -> int:
        """Delivers everything that is due, and returns how many attempts were made."""
        made = 0
        while claimed := self._claim(AT_ONCE):
            for work in claimed:
                self._deliver(work)
            made += len(claimed)
        return made

    def _start_due(self) -> bool:
        """Starts what is due, as far as there is room. False when there is nothing to do at present."""
        with self._guard:
            busy = self._busy.copy()
        room = AT_ONCE - busy.total()
        if room <= 0:
            return False
        try:
            claimed = self._claim(room, busy)
        except (AppError, SQLAlchemyError) as error:
            log.warning("deliveries out of reach", reason=type(error).__name__)
            return False
        for work in claimed:
            with self._guard:
                self._busy[work.webhook_id] += 1
            threading.Thread(target=self._deliver_in_thread, args=(work,), name="delivery", daemon=True).start()
        return bool(claimed)

    def _deliver_in_thread(self, work: Claimed) -> None:
        try:
            self._deliver(work)
        except (AppError, SQLAlchemyError) as error:
            # The claim lapses, and the message is sent again.
            log.warning("delivery not noted", delivery=work.id, reason=type(error).__name__)
        finally:
            with self._guard:
                self._busy[work.webhook_id] -= 1
                if not self._busy[work.webhook_id]:
                    del self._busy[work.webhook_id]
            self._news.set()

    def _claim(self, limit: int, busy: Counter[int] | None = None) -> list[Claimed]:
        """Takes on at most so many of the due deliveries, each for as long as the lease.

        With `busy`, how many are on their way to each webhook, one slow receiver does not take up all the room.
        """
        at = now()
        full = [webhook_id for webhook_id, count in (busy or {}).items() if count >= AT_ONCE_PER_WEBHOOK]
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
        with self._database.read() as tx:
            due = tx.execute(query).all()
        if not due:
            return []
        taken: list[Claimed] = []
        with self._database.write() as tx:
            for row in due:
                if busy is not None:
                    busy[row.webhook_id] += 1
                    if busy[row.webhook_id] > AT_ONCE_PER_WEBHOOK:
                        continue
                claimed = self._claim_one(tx, row, at)
                if claimed is not None:
                    taken.append(claimed)
        return taken

    def _claim_one(self, tx: Connection, row: Any, at: datetime) -> Claimed | None:
        claim = secrets.token_hex(16)
        taken = tx.execute(
            update(deliveries)
            .where(
                deliveries.c.id == row.id,
                deliveries.c.state == State.PENDING.value,
                deliveries.c.attempts == row.attempts,
            )
            .values(attempts=row.attempts + 1, claim=claim, due_at=at + self._lease)
        )
        if taken.rowcount == 0:
            return None
        attempt = tx.execute(insert(delivery_attempts).values(delivery_id=row.id, at=at))
        keys = [row.secret]
        if row.previous_secret and row.previous_secret_until > at:
            keys.append(row.previous_secret)
        return Claimed(
            row.id,
            created_id(attempt),
            row.attempts + 1,
            claim,
            row.webhook_id,
            row.url,
            keys,
            row.message_id,
            row.body,
        )

    def _deliver(self, work: Claimed) -> None:
        headers = signed_headers(work.keys, work.message_id, work.body, now())
        body = work.body.encode()
        outcome = outbound.post(work.url, body, headers, allowed=self._allowed, seconds=self._seconds)
        with self._database.write() as tx:
            note_outcome(tx, work, outcome, now())
        log.info("delivery", delivery=work.id, webhook=work.webhook_id, code=outcome.code, error=outcome.error)


def signed_headers(keys: Sequence[str], message_id: str, body: str, at: datetime) -> dict[str, str]:
    """The headers of a message (Standard Webhooks 1.0.0), with one signature for each secret."""
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Signer(key).sign(message_id, at, body) for key in keys),
    }


def note_outcome(tx: Connection, work: Claimed, outcome: Outcome, at: datetime) -> None:
    """Writes what came of an attempt, and what follows from it; if the claim lapsed, only the attempt."""
    tx.execute(
        update(delivery_attempts)
        .where(delivery_attempts.c.id == work.attempt_id)
        .values(code=outcome.code, milliseconds=outcome.milliseconds, error=outcome.error, answer=outcome.answer)
    )
    values: dict[str, Any] = {"claim": None}
    disabled: str | None = None
    if outcome.code is not None and 200 <= outcome.code < 300:
        values["state"] = State.DELIVERED.value
    elif outcome.code == 410:
        values["state"] = State.FAILED.value
        disabled = "the receiver answered 410 Gone"
    elif work.attempts > len(SCHEDULE):
        values["state"] = State.FAILED.value
        disabled = f"a message failed {work.attempts} times, at last with {outcome.error or outcome.code}"
    else:
        values["due_at"] = at + wait_after(work.attempts, outcome.retry_after, at)
    mine = (deliveries.c.id == work.id) & (deliveries.c.claim == work.claim)
    noted = tx.execute(update(deliveries).where(mine).values(**values))
    if noted.rowcount and disabled:
        disable_webhook(tx, command_line("webhook delivery"), work.webhook_id, disabled)


def wait_after(attempts: int, retry_after: str | None, at: datetime) -> timedelta:
    """How long to wait after so many attempts: as scheduled, give or take a tenth; longer if the receiver asks."""
    wait = SCHEDULE[attempts - 1] * random.uniform(0.9, 1.1)
    if retry_after is None:
        return wait
    return max(wait, min(_asked(retry_after.strip(), at), LONGEST_WAIT))


def _asked(retry_after: str, at: datetime) -> timedelta:
    """What a receiver's Retry-After says (RFC 9110, 10.2.3), or nothing: it is a stranger's text."""
    if retry_after.isascii() and retry_after.isdigit():
        return timedelta(seconds=int(retry_after)) if len(retry_after) < 9 else LONGEST_WAIT
    try:
        until = parsedate_to_datetime(retry_after)
        return until - at if until.tzinfo else timedelta(0)
    except (ValueError, OverflowError):
        return timedelta(0)
