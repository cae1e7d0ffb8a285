"""Finds out whether a change was stored whose connection was lost during its commit. PostgreSQL only.

COMMIT may have reached the server although its response did not reach this process. A transaction therefore remembers
two things: its number (xid), which shows whether it has ended on the server, and how to recognize its last event, which
shows whether it was committed. The number alone is not enough, because after a failover the new primary may assign it
again.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, text

_TRACE = "trace of the change"
"""The key in a connection's `info` under which a transaction stores its trace."""

FIRST_PAUSE_SECONDS = 0.05

UNKNOWN = (
    "The database became unreachable while the change was being stored, and it is unknown whether it was. Check that "
    "before you try again."
)


class Trace(NamedTuple):
    """What a transaction leaves in the database. `recorded` returns whether its event is visible."""

    xid: str
    recorded: Callable[[Connection], bool]


def leave_trace(tx: Connection, xid: str, recorded: Callable[[Connection], bool]) -> None:
    """Stores how this transaction can be recognized after its commit. A rollback discards it."""
    tx.info[_TRACE] = Trace(xid, recorded)


def take_trace(tx: Connection) -> Trace | None:
    """Returns what `leave_trace` stored in this transaction, and clears it."""
    found: Trace | None = tx.info.pop(_TRACE, None)
    return found


def has_ended(tx: Connection, trace: Trace) -> bool:
    """Returns whether the traced transaction was committed or rolled back. `tx` must be a write transaction.

    A server that did not assign the number, such as a promoted standby, never ran the transaction: its own numbers are
    not higher.
    """
    status = text(
        "SELECT CASE WHEN CAST(:xid AS xid8) < pg_current_xact_id() THEN pg_xact_status(CAST(:xid AS xid8)) END"
    )
    return bool(tx.execute(status, {"xid": trace.xid}).scalar_one() != "in progress")


def pauses(seconds: float) -> Iterator[None]:
    """Yields at once, and again after growing pauses, until `seconds` have passed."""
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE_SECONDS
    while True:
        yield
        left = deadline - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(pause, left))
        pause *= 2
