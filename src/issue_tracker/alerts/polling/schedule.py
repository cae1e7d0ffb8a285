"""When feeds and mailboxes are polled, how that went, and which process polls one now.

`alert_feeds` and `alert_mailboxes` have the same columns for this, with a row for each receiver that has one.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, select, update

from issue_tracker.clock import SKEW, iso
from issue_tracker.database.prepared import instant
from issue_tracker.database.tables import alert_receivers

LEASE = timedelta(minutes=2)
"""How long a claim is valid; a poll takes less."""

LONGEST_DELAY = timedelta(hours=6)
"""Maximum delay after failures, unless the interval is longer."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The permission of this process to poll for the receiver until the claim expires. `failures` were in a row."""

    receiver_id: int
    receiver_name: str
    interval: timedelta
    failures: int
    until: datetime


class Schedule:
    """The schedule in one table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._columns = table.c

    def due(self, tx: Connection, at: datetime, limit: int) -> list[tuple[int, datetime]]:
        """Returns the active receivers for which polling is due: the id and since when, the oldest first.

        A time further in the future than the longest delay is that of a wrong clock, and counts as due.
        """
        columns, receivers = self._columns, alert_receivers.c
        query = select(columns.receiver_id, columns.due_at, columns.interval_minutes, columns.failures)
        query = query.join(alert_receivers, receivers.id == columns.receiver_id)
        rows = tx.execute(query.where(receivers.active).order_by(columns.due_at)).all()
        found = [(row.receiver_id, instant(row.due_at), _delay(row)) for row in rows]
        due = [(receiver_id, due_at) for receiver_id, due_at, delay in found if not at < due_at <= at + delay + SKEW]
        return due[:limit]

    def claim(self, tx: Connection, receiver_id: int, due_at: datetime, at: datetime) -> Claim | None:
        """Claims the polling for LEASE. Returns None if another process was first, or if nothing is polled any more."""
        columns, until = self._columns, at + LEASE
        mine = update(self._table).where(columns.receiver_id == receiver_id, columns.due_at == due_at)
        if tx.execute(mine.values(due_at=until)).rowcount != 1:
            return None
        query = select(columns.interval_minutes, columns.failures, alert_receivers.c.name)
        query = query.join(alert_receivers, alert_receivers.c.id == columns.receiver_id)
        row = tx.execute(query.where(columns.receiver_id == receiver_id)).one()
        return Claim(
            receiver_id=receiver_id,
            receiver_name=row.name,
            interval=timedelta(minutes=row.interval_minutes),
            failures=row.failures,
            until=until,
        )

    def note_success(self, tx: Connection, claim: Claim, at: datetime, *, again: bool = False, **values: Any) -> bool:
        """Stores that polling succeeded, and other columns. Returns False if the claim is no longer valid.

        The next poll is due after the interval; with `again`, immediately.
        """
        due_at = at if again else at + claim.interval
        success = {"due_at": due_at, "last_success_at": at, "failures": 0, "failure": None}
        return self._release(tx, claim, success | values)

    def note_failure(self, tx: Connection, claim: Claim, reason: str, at: datetime) -> bool:
        """Stores the reason of a failure; each consecutive one doubles the delay. Returns the same as note_success."""
        failures = claim.failures + 1
        values = {
            "due_at": at + _delay_after(failures, claim.interval),
            "last_failure_at": at,
            "failures": failures,
            "failure": reason[:300],
        }
        return self._release(tx, claim, values)

    def _release(self, tx: Connection, claim: Claim, values: dict[str, Any]) -> bool:
        mine = self._columns.receiver_id == claim.receiver_id, self._columns.due_at == claim.until
        return tx.execute(update(self._table).where(*mine).values(values)).rowcount == 1


def _delay_after(failures: int, interval: timedelta) -> timedelta:
    doubled: timedelta = interval * 2 ** min(failures, 12)
    return max(min(doubled, LONGEST_DELAY), interval)


def _delay(row: Any) -> timedelta:
    """Returns how long polling may wait, for a row with `failures` and `interval_minutes`."""
    return max(_delay_after(row.failures, timedelta(minutes=row.interval_minutes)), LEASE)


RESTARTED: dict[str, Any] = {"failure": None, "failures": 0}
"""The columns of a schedule whose polling starts again, except for `due_at`."""


def health(row: Any) -> dict[str, Any]:
    """Returns how polling goes, as the fields that `Feed` and `Mailbox` share.

    `row` has the columns of the schedule, and `active` of the receiver.
    """
    return {
        "interval_minutes": row.interval_minutes,
        "next_poll_at": iso(row.due_at) if row.active else None,
        "last_success_at": None if row.last_success_at is None else iso(row.last_success_at),
        "last_failure_at": None if row.last_failure_at is None else iso(row.last_failure_at),
        "failure": row.failure,
        "failures": row.failures,
    }
