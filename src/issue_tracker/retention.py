"""The hourly deletion of expired rows by the server: ended sessions, old deliveries, failed sign-ins, old alerts.

The history of issues is stored forever. An operator can delete more with `issue-tracker events prune`.
"""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection, text

from issue_tracker.actor import command_line
from issue_tracker.alerts.mail.operations import prune_mails
from issue_tracker.alerts.retention import prune_alerts, prune_unsorted
from issue_tracker.auth.challenges import prune_challenges
from issue_tracker.auth.factors.ceremonies import prune_spent
from issue_tracker.auth.session_limits import prune_sessions
from issue_tracker.auth.single_sign_on.flows import prune_flows
from issue_tracker.auth.throttle import prune_attempts
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.errors import Unavailable
from issue_tracker.events.catalog import FAILURES, Change, EventType
from issue_tracker.events.record import record
from issue_tracker.events.retention import prune_deliveries, prune_failures, prune_sign_ins
from issue_tracker.issues.presence import prune_presence
from issue_tracker.settings import Settings

log = structlog.get_logger("issue_tracker.retention")

FIRST_SECONDS, INTERVAL_SECONDS = 60.0, 3600.0
"""A server waits after its start, so that its first requests come before the deletion."""

PAUSE_SECONDS = 0.05
"""Pause between two pieces, so that other writers get their turn."""

LOCK = 0x69747265746E
"""PostgreSQL advisory lock for one piece: one process deletes at a time. SQLite has only one writer anyway."""

MAIL_DAYS = 30
"""Number of days for which accepted email messages are remembered. Mail servers retry for days, not weeks."""

UNRECORDED = (
    "sessions",
    "sign-in attempts",
    "sign-in challenges",
    "sign-ins under way",
    "passkey challenges",
    "identities of email messages",
    "presence",
)
"""Kinds of rows that expire by design; deleting them records no event."""

ONE_ROW = {
    "deliveries": "delivery",
    "failed sign-ins": "failed sign-in",
    "alerts": "alert",
    "unsorted alerts beyond the limit": "unsorted alert beyond the limit",
    "failed sign-ins beyond the limit": "failed sign-in beyond the limit",
}
"""The words for a single row of the kinds that the history shows."""

Prune = Callable[[Connection], int]
"""Deletes one piece of the expired rows, and returns the number of deleted rows; 0 if none are left."""


class Retention:
    """The hourly deletion of one process. `run` is the body of a thread, which `close` ends."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._closed = threading.Event()
        self._unrecorded: Counter[str] = Counter()

    def run(self) -> None:
        seconds = FIRST_SECONDS
        while not self._closed.wait(seconds):
            seconds = INTERVAL_SECONDS
            try:
                self.prune(now())
            except Unavailable:
                continue  # the next run deletes the rest
            except Exception:
                log.exception("retention failed")

    def close(self) -> None:
        """Stops the deletion after the current piece."""
        self._closed.set()

    def prune(self, at: datetime) -> None:
        """Deletes everything that has expired at an instant (UTC), in small transactions. Raises Unavailable.

        If records that a person may look for were deleted, the history says so, even after an early end, by an error
        or by `close`. If the database cannot record it then, the next call does.
        """
        try:
            self._prune_all(at)
        finally:
            self._record()

    def _prune_all(self, at: datetime) -> None:
        for kind, prune in _kinds(self._settings, at).items():
            deleted = 0
            try:
                while piece := self._prune_piece(prune):
                    deleted += piece
                    if self._closed.wait(PAUSE_SECONDS):
                        return
            except Unavailable:
                raise
            except Exception:  # the other kinds must be deleted; the log has the reason
                log.exception("retention failed", kind=kind)
            finally:
                if deleted:
                    log.info("deleted what is older than its retention", kind=kind, rows=deleted)
                if deleted and kind not in UNRECORDED:
                    self._unrecorded[kind] += deleted

    def _record(self) -> None:
        """Records what was deleted and has not been recorded yet."""
        if self._unrecorded:
            note = ", ".join(
                f"{rows} {ONE_ROW[kind] if rows == 1 else kind}" for kind, rows in self._unrecorded.items()
            )
            with self._database.write() as tx:
                record(tx, command_line("retention"), [Change(type=EventType.DATA_PRUNED, note=note)], now())
            self._unrecorded.clear()

    def _prune_piece(self, prune: Prune) -> int:
        """Deletes one piece and returns its number of rows; also 0 if another process is deleting."""
        with self._database.write() as tx:
            if not self._database.sqlite:
                free = tx.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK}).scalar_one()
                if not free:
                    return 0
            return prune(tx)


def _kinds(settings: Settings, at: datetime) -> dict[str, Prune]:
    """Returns the functions that delete expired rows, by the name that the log and the history show."""
    kinds: dict[str, Prune] = {
        "sessions": partial(prune_sessions, settings=settings, at=at),
        "sign-in attempts": partial(prune_attempts, settings=settings, at=at),
        "sign-in challenges": partial(prune_challenges, at=at),
        "sign-ins under way": partial(prune_flows, at=at),
        "passkey challenges": partial(prune_spent, at=at),
        "identities of email messages": partial(prune_mails, before=at - timedelta(days=MAIL_DAYS)),
        "presence": partial(prune_presence, at=at),
    }
    if days := settings.delivery_retention_days:
        kinds["deliveries"] = partial(prune_deliveries, before=at - timedelta(days=days))
    if days := settings.failed_sign_in_retention_days:
        before = at - timedelta(days=days)
        kinds["failed sign-ins"] = partial(prune_sign_ins, before=before, types=FAILURES)
    if days := settings.alert_retention_days:
        kinds["alerts"] = partial(prune_alerts, before=at - timedelta(days=days))
    kinds["unsorted alerts beyond the limit"] = partial(prune_unsorted, most=settings.unsorted_alerts)
    kinds["failed sign-ins beyond the limit"] = partial(prune_failures, most=settings.failed_sign_in_rows)
    return kinds
