"""Causes a change to wait for the locks of another one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from tests.waiting import eventually
from tests.world import World

T = TypeVar("T")

# In a transaction, pg_stat_activity would not show processes that connect later.
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")


def during(
    world: World,
    change: Callable[[Connection], Any],
    act: Callable[[], T],
    then: Callable[[Connection], Any] | None = None,
) -> T:
    """Starts `act` while a transaction with `change` is open, and returns its result after the commit.

    On PostgreSQL, `then` and the commit follow when `act` waits for the transaction, or has ended: if `then` locks
    what `act` has locked, that is a deadlock. On SQLite every change waits for the transaction.
    """
    with ThreadPoolExecutor(1) as thread:
        with world.database.write() as tx:
            change(tx)
            acting = thread.submit(act)
            if world.engine == "postgresql":
                eventually(lambda: acting.done() or tx.execute(WAITING).scalar_one() > 0)
            if then is not None:
                then(tx)
        return acting.result(30)
