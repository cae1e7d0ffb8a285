"""Polls feeds or mailboxes: a thread of each process looks for those that are due, and each poll has its own thread.

Polling for a receiver is claimed in the database, so only one process does it, and no transaction is open while another
system is waited for.
"""

import threading
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import prometheus_client
import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from issue_tracker.alerts.polling.schedule import Claim, Schedule
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.errors import AppError, Unavailable

log = structlog.get_logger("issue_tracker.polling")

INTERVAL_SECONDS = 5.0
BUSY_SECONDS = 0.5
"""How long the thread waits if AT_A_TIME polls are under way."""

AT_A_TIME = 4
"""Maximum number of polls of one process at the same time. A slow server delays only its own poll."""

LONGEST_REASON = 150
"""Maximum number of characters of what another system has said."""

C = TypeVar("C", bound=Claim)


class PollFailed(Exception):
    """A feed or a mailbox could not be read. The message is a sentence for super admins, and contains no secret."""


def shown(text: str) -> str:
    """Returns the beginning of what another system has said, without characters that cannot be printed."""
    return "".join(character for character in text if character.isprintable())[:LONGEST_REASON]


class Polled(Protocol[C]):
    """What a poller polls. `what` is its name in metrics and logs, `enabled` whether this process polls it."""

    what: str
    enabled: bool
    schedule: Schedule

    def claim(self, tx: Connection, receiver_id: int, due_at: datetime, at: datetime) -> C | None:
        """Returns a claim, with what `poll` needs; None like Schedule.claim."""
        ...

    def poll(self, claimed: C) -> str | None:
        """Polls, stores the success, and returns the result for the metric; None if the claim became invalid.

        Raises PollFailed and AppError.
        """
        ...


class Polling(Generic[C]):
    """The polling of one process. `run` is the body of a thread, which `close` ends."""

    def __init__(self, database: Database, polled: Polled[C], registry: CollectorRegistry) -> None:
        self._database = database
        self._polled = polled
        self._closed = threading.Event()
        self._running: set[threading.Thread] = set()
        self._polls = prometheus_client.Counter(
            f"issue_tracker_{polled.what}_polls",
            f"Polls of receivers of alerts that have a {polled.what}, by result.",
            ["receiver", "result"],
            registry=registry,
        )

    def run(self) -> None:
        seconds = INTERVAL_SECONDS
        while self._polled.enabled and not self._closed.wait(seconds):
            try:
                self._start_due(now())
            except Unavailable:
                pass  # what is due remains due
            except Exception:  # this thread must go on polling; the log has the reason
                log.exception("polling failed", what=self._polled.what)
            seconds = BUSY_SECONDS if len(self._running) == AT_A_TIME else INTERVAL_SECONDS

    def close(self) -> None:
        """Starts no further polls. A poll under way is abandoned; its claim expires."""
        self._closed.set()

    def poll_due(self, at: datetime) -> int:
        """Polls what is due at `at`, at most AT_A_TIME, and returns the number of polls. Raises Unavailable."""
        started = self._start_due(at)
        for thread in started:
            thread.join()
        return len(started)

    def _start_due(self, at: datetime) -> list[threading.Thread]:
        """Starts a poll for what is due at `at`, unless AT_A_TIME are under way."""
        self._running = {thread for thread in self._running if thread.is_alive()}
        free = AT_A_TIME - len(self._running)
        if free == 0:
            return []
        with self._database.read() as tx:
            due = self._polled.schedule.due(tx, at, free)
        started = []
        for receiver_id, due_at in due:
            with self._database.write() as tx:
                claimed = self._polled.claim(tx, receiver_id, due_at, at)
            if claimed is not None:
                thread = threading.Thread(target=self._poll, args=(claimed,), name=self._polled.what, daemon=True)
                thread.start()
                self._running.add(thread)
                started.append(thread)
        return started

    def _poll(self, claimed: C) -> None:
        try:
            try:
                result = self._polled.poll(claimed)
                if result is not None:
                    self._polls.labels(claimed.receiver_name, result).inc()
                return
            except PollFailed as failed:
                reason = str(failed)
            except Unavailable:
                raise
            except AppError as refused:
                reason = refused.detail
            except Exception:  # super admins see a failed poll
                log.exception("a poll failed", what=self._polled.what, receiver=claimed.receiver_id)
                reason = f"The {self._polled.what} cannot be read; the log of the server contains the reason."
            with self._database.write() as tx:
                self._polled.schedule.note_failure(tx, claimed, reason, now())
            self._polls.labels(claimed.receiver_name, "failed").inc()
            log.warning("a poll failed", what=self._polled.what, receiver=claimed.receiver_id, reason=reason)
        except Unavailable:
            # The claim expires.
            log.warning("a poll was not recorded", what=self._polled.what, receiver=claimed.receiver_id)
