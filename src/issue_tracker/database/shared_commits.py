"""Shared commits: small changes that wait for SQLite's write lock at the same time are committed together.

A durable commit waits for the disk longer than a small change takes. Alerts and status changes that arrive over several
connections would otherwise wait for one commit each (docs/decisions/0037).
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from issue_tracker.database.before_commit import finish_transaction
from issue_tracker.database.engine import Database

T = TypeVar("T")

MOST_SHARED = 32
"""Maximum number of changes in one transaction, so that other writers do not wait long."""


class _Change:
    """A waiting change. Once it is `taken` and its turn has come, it is `stored`, or has an `error`, or must be tried
    in a transaction of its own. If its turn comes before it is taken, its thread makes the next shared transaction.
    """

    __slots__ = ("act", "error", "result", "stored", "taken", "turn")

    def __init__(self, act: Callable[[Connection], Any]) -> None:
        self.act = act
        self.turn = threading.Event()
        self.taken = self.stored = False
        self.result: Any = None
        self.error: Exception | None = None


class SharedCommits:
    """Combines small changes of one process into transactions. Safe to use from several threads.

    PostgreSQL flushes concurrent commits together by itself, and there a transaction for several requests would hold
    their locks in an arbitrary order; so each change gets a transaction of its own there.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard = threading.Lock()
        self._waiting: list[_Change] = []
        self._leading = False
        """Whether a thread makes a shared transaction, or has been chosen to make the next one."""

    @property
    def waiting(self) -> int:
        """The number of changes that wait for a shared transaction to begin."""
        return len(self._waiting)

    def run(self, act: Callable[[Connection], T]) -> T:
        """Returns the result of `act(tx)` after its transaction was committed durably.

        `act` must have no effect outside the transaction: it may run in another thread, and runs again in a
        transaction of its own if the shared one fails. Raises what `act` raises, and like `Database.write`.
        """
        if not self._database.sqlite:
            return self._alone(act)
        change = _Change(act)
        with self._guard:
            self._waiting.append(change)
            leads, self._leading = not self._leading, True
        if not leads:
            change.turn.wait()
        if not change.taken:
            self._lead()
        if change.error is not None:
            raise change.error
        if not change.stored:
            return self._alone(act)
        result: T = change.result
        return result

    def _alone(self, act: Callable[[Connection], T]) -> T:
        with self._database.write() as tx:
            return act(tx)

    def _lead(self) -> None:
        """Commits the waiting changes together, and chooses the thread that makes the next shared transaction."""
        taken: list[_Change] = []
        try:
            with self._database.write() as tx:
                # Only now, so that changes that arrive while this thread waits for the write lock are included.
                taken = self._take()
                for change in taken:
                    change.result = change.act(tx)
                    finish_transaction(tx)
            for change in taken:
                change.stored = True
        except Exception as error:  # each of these changes raises it, or is tried alone and raises its own
            if len(taken) <= 1:
                # The change was already alone; or there was no write lock, and each would only wait for it again.
                taken = taken or self._take()
                for change in taken:
                    change.error = error
        finally:
            with self._guard:
                following = self._waiting[0] if self._waiting else None
                self._leading = following is not None
            for change in taken if following is None else (*taken, following):
                change.turn.set()

    def _take(self) -> list[_Change]:
        with self._guard:
            taken, self._waiting = self._waiting[:MOST_SHARED], self._waiting[MOST_SHARED:]
        for change in taken:
            change.taken = True
        return taken
