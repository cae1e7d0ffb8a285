"""Work that belongs to a whole transaction and runs once, as the last step before its commit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

_COLLECTED = "before commit"
"""The key in a connection's `info` under which a transaction stores its objects."""


class BeforeCommit(Protocol):
    """An object that collects something during a transaction, in order, and writes the result before the commit."""

    collected: list[Any]

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


@contextmanager
def savepoint(tx: Connection) -> Iterator[None]:
    """Undoes the changes of a block that raises, and what was collected in it.

    For blocks that call operations. SQLAlchemy's `begin_nested` alone is enough for single statements.
    """
    lengths = {create: len(collector.collected) for create, collector in tx.info.get(_COLLECTED, {}).items()}
    try:
        with tx.begin_nested():
            yield
    except BaseException:
        for create, collector in tx.info.get(_COLLECTED, {}).items():
            del collector.collected[lengths.get(create, 0) :]
        raise


def finish_transaction(tx: Connection) -> None:
    """Calls `before_commit` of every object that was created for this transaction."""
    for collector in tx.info.pop(_COLLECTED, {}).values():
        collector.before_commit(tx)


def discard_collected(tx: Connection) -> None:
    """Discards the objects of a transaction that is rolled back."""
    tx.info.pop(_COLLECTED, None)
