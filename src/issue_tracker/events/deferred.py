"""Audit events about requests that change nothing: refused requests and exports.

They are recorded a little later, in a separate transaction, because the request has no write transaction. An event is a
row, and any client may send any number of requests. Therefore at most one event per minute is recorded for the same
actor, address and type, with the number of requests in its note; and in total only a few per minute.
"""

import threading
import time
from collections.abc import Hashable

import msgspec
import structlog

from issue_tracker.actor import Actor, anonymous_actor
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.errors import Unavailable
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record

log = structlog.get_logger("issue_tracker.audit")

DELAY_SECONDS = 1.0
"""Delay after the first request, so that the events of a burst are written together."""

INTERVAL_SECONDS = 60.0
"""Minimum interval between two events of the same actor, address and type."""

MOST_EVENTS = 20
"""Maximum number of events of one process in an interval. Further ones are counted in one event without an actor."""


class _Noted(msgspec.Struct):
    """An event to be recorded: the first request of its kind, and the number of requests."""

    type: EventType
    actor: Actor
    what: str
    count: int = 1


class DeferredEvents:
    """Collects events from all threads. `run` is the body of a thread that records them, which `close` ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard = threading.Lock()
        self._waiting: dict[Hashable, _Noted] = {}
        self._recorded: dict[Hashable, float] = {}
        self._something = threading.Event()
        self._closed = threading.Event()

    def note(self, type_: EventType, actor: Actor, what: str, address: str) -> None:
        """Notes what `actor` did or was refused, from an IP address. Never blocks."""
        key: Hashable = type_, actor.user_id, actor.name, actor.channel, address
        with self._guard:
            self._forget(time.monotonic())
            known = self._recorded.keys() | self._waiting.keys()
            new = _Noted(type_, actor, f"{what}, from {address}")
            if key not in known and len(known) >= MOST_EVENTS:
                key, new = type_, _Noted(type_, anonymous_actor(), "many others")
            if key in self._waiting:
                self._waiting[key].count += 1
            else:
                self._waiting[key] = new
        self._something.set()

    def run(self) -> None:
        while not self._closed.is_set():
            self._something.wait()
            if not self._closed.wait(DELAY_SECONDS):
                self._record(time.monotonic())

    def close(self) -> None:
        """Ends `run`, and records the waiting events."""
        self._closed.set()
        self._something.set()
        self._record(time.monotonic(), everything=True)

    def _record(self, at: float, *, everything: bool = False) -> None:
        """Records the events that are due."""
        with self._guard:
            self._forget(at)
            due = {key: one for key, one in self._waiting.items() if everything or key not in self._recorded}
            for key in due:
                self._recorded[key] = at
                del self._waiting[key]
            if not self._waiting:
                self._something.clear()
        try:
            if due:
                with self._database.write() as tx:
                    for noted in due.values():
                        times = f" ({noted.count} times)" if noted.count > 1 else ""
                        record(tx, noted.actor, [Change(type=noted.type, note=noted.what + times)], now())
        except Unavailable:
            log.warning("audit events could not be recorded", count=sum(one.count for one in due.values()))
        except Exception:
            log.exception("audit events could not be recorded")

    def _forget(self, at: float) -> None:
        """Forgets events that were recorded before the interval. The caller holds the lock."""
        self._recorded = {key: then for key, then in self._recorded.items() if at - then < INTERVAL_SECONDS}
