"""Work that belongs to a whole transaction and runs once, as the last step before its commit."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

_COLLECTED = "before commit"
"""The key in a connection's `info` under which a transaction stores its objects."""


class BeforeCommit(Protocol):
    """An object that collects something during a transaction, and writes the result before the commit."""

    def before_commit(self, tx: Connection) -> None:
        """Writes the result. If it raises an error, the transaction fails."""


Collector = TypeVar("Collector", bound=BeforeCommit)


def once_in_transaction(tx: Connection, create: Callable[[Connection], Collector]) -> Collector:
    """Returns the object that `create` made for this transaction; the first call creates it. A rollback discards it."""
    collected = tx.info.setdefault(_COLLECTED, {})
    if create not in collected:
        collected[create] = create(tx)
    found: Collector = collected[create]
    return found


def finish_transaction(tx: Connection) -> None:
    """Calls `before_commit` of every object that was created for this transaction."""
    for collector in tx.info.pop(_COLLECTED, {}).values():
        collector.before_commit(tx)


def discard_collected(tx: Connection) -> None:
    """Discards the objects of a transaction that is rolled back."""
    tx.info.pop(_COLLECTED, None)
