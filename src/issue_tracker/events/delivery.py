"""Delivers messages to webhooks, at least once, with any number of workers on any number of machines.

A worker claims deliveries that are due (`claims`), as long as it has free slots (`slots`), commits, and sends each in a
separate thread. No transaction is open while a message is being sent.
"""

import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.metadata import version

import structlog
from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks import Webhook as Signer

from issue_tracker.clock import SKEW, now
from issue_tracker.database.engine import Database
from issue_tracker.database.server_key import ServerKey
from issue_tracker.errors import AppError
from issue_tracker.events.attempts import record_outcome
from issue_tracker.events.claims import ClaimedDelivery, claim_due_deliveries, forget_wrong_clock
from issue_tracker.events.messages import complete_body
from issue_tracker.events.signing_secrets import readable_secrets
from issue_tracker.events.slots import Slots
from issue_tracker.outbound.outcomes import Outcome
from issue_tracker.settings import Settings, networks

log = structlog.get_logger("issue_tracker.deliveries")

POLL_SECONDS = 1.0
CLOSE_SECONDS = 2.0

USER_AGENT = f"issue-tracker/{version('issue-tracker')}"


class Deliverer:
    """One worker: call `run` in a separate thread, or `deliver_due` for everything that is due now."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._allowed = networks(settings.webhook_allowed_networks)
        self._seconds = settings.webhook_timeout_seconds
        self._public_url = settings.public_url
        self._key = ServerKey(database, settings)
        # Much longer than an attempt can take: until the claim expires, no other worker sends the same message.
        self._lease = timedelta(seconds=3 * settings.webhook_timeout_seconds)
        self._wakened = threading.Event()
        self._stopping = threading.Event()
        self._slots = Slots()
        self._claimed_at: datetime | None = None

    def wake(self) -> None:
        """Makes `run` check for due deliveries immediately."""
        self._wakened.set()

    def close(self) -> None:
        """Stops claiming, and waits briefly for running attempts; the remaining claims expire later."""
        self._stopping.set()
        self._wakened.set()
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._slots.busy and time.monotonic() < deadline:
            time.sleep(0.02)

    def run(self) -> None:
        """Delivers until `close` is called."""
        while not self._stopping.is_set():
            self._wakened.clear()
            if not self._start_due():
                self._wakened.wait(POLL_SECONDS)

    def deliver_due(self) -> int:
        """Delivers everything that is due, one by one, and returns the number of attempts."""
        made = 0
        slots = Slots()
        while claimed := self._claim(slots):
            for delivery in claimed:
                self._deliver(delivery)
                slots.release(delivery.webhook_id, answered=True)
            made += len(claimed)
        return made

    def _start_due(self) -> bool:
        """Starts the due deliveries, as long as there are free slots. Returns False if there are none to start."""
        try:
            claimed = self._claim(self._slots)
        except (AppError, SQLAlchemyError) as error:
            log.warning("deliveries out of reach", reason=type(error).__name__)
            return False
        except Exception:  # this thread must go on delivering
            log.exception("deliveries could not be claimed")
            return False
        started = [self._start(delivery) for delivery in claimed]
        return bool(started) and all(started)

    def _start(self, delivery: ClaimedDelivery) -> bool:
        """Starts an attempt. Returns False if the system refuses another thread; the claim then expires."""
        try:
            threading.Thread(target=self._deliver_in_thread, args=(delivery,), name="delivery", daemon=True).start()
        except RuntimeError as refused:
            self._slots.release(delivery.webhook_id, answered=None)
            log.warning("delivery not started", delivery=delivery.id, reason=str(refused))
            return False
        return True

    def _claim(self, slots: Slots) -> list[ClaimedDelivery]:
        at = now()
        if self._claimed_at is None or at < self._claimed_at - SKEW:
            forget_wrong_clock(self._database, at)
        self._claimed_at = at
        return claim_due_deliveries(self._database, at, lease=self._lease, slots=slots)

    def _deliver_in_thread(self, delivery: ClaimedDelivery) -> None:
        answered: bool | None = None
        try:
            outcome = self._deliver(delivery)
            answered = False if outcome.timed_out else outcome.code is not None or None
        except (AppError, SQLAlchemyError) as error:
            # The claim expires, and the message is sent again.
            log.warning("delivery not recorded", delivery=delivery.id, reason=type(error).__name__)
        except Exception:  # the other deliveries must go on
            log.exception("a delivery failed", delivery=delivery.id)
        finally:
            self._slots.release(delivery.webhook_id, answered=answered)
            self._wakened.set()

    def _deliver(self, delivery: ClaimedDelivery) -> Outcome:
        outcome = self._send(delivery)
        with self._database.write() as tx:
            record_outcome(tx, delivery, outcome, now())
        log.info("delivery", delivery=delivery.id, webhook=delivery.webhook_id, code=outcome.code, error=outcome.error)
        return outcome

    def _send(self, delivery: ClaimedDelivery) -> Outcome:
        from issue_tracker.outbound import requests  # noqa: PLC0415 - most servers have no webhook

        secrets = readable_secrets(self._key.keyring(), delivery.signing_secrets)
        if not secrets:
            return Outcome(milliseconds=0, error="the secret was encrypted with another server key")
        body = complete_body(delivery.body, self._public_url)
        headers = signed_headers(secrets, delivery.message_id, body, now())
        return requests.post(delivery.url, body.encode(), headers, allowed=self._allowed, seconds=self._seconds)


def signed_headers(secrets: Sequence[str], message_id: str, body: str, at: datetime) -> dict[str, str]:
    """Returns the headers of a message (Standard Webhooks 1.0.0), with one signature for each secret."""
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Signer(secret).sign(message_id, at, body) for secret in secrets),
    }
