"""Records the responses to writers, and checks that the database agrees with them.

Every request has a unique id, which all of its events carry. So the history shows the effect of a request, and the
checker of the invariants proves that all other data agrees with the history.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import func, select

from issue_tracker.database.engine import Database
from issue_tracker.database.tables import events

NOTHING: frozenset[tuple[str, int]] = frozenset()

Events = frozenset[tuple[str, int]]
"""The number of events of each type."""


class BrokenPromise(Exception):
    """A guarantee of the product is violated; the message says which one."""


def these(counts: Mapping[str, int]) -> Events:
    """Returns these numbers of events of each type."""
    return frozenset((type_, count) for type_, count in counts.items() if count)


class Figures(NamedTuple):
    """The numbers of requests that succeeded, that had no response or a 503, and that were performed nevertheless."""

    answered: int
    unanswered: int
    done: int


class Ledger:
    """The requests of all writers, each with the events that it may cause."""

    def __init__(self) -> None:
        self.answered: dict[str, frozenset[Events]] = {}
        self.unanswered: dict[str, frozenset[Events]] = {}
        self.refused = 0
        """The number of requests without success that were refused with 503."""
        self.problems: list[str] = []
        """Responses that an outage does not explain."""

    def verify(self, database: Database, answered: Iterable[str] | None = None) -> Figures:
        """Compares with a database, which must contain at least the requests in `answered`; all if None.

        Raises BrokenPromise for a successful request that is missing, and for one that was partly performed.
        """
        if self.problems:
            raise BrokenPromise(self.problems[0])
        must = set(self.answered if answered is None else answered)
        received = {
            **self.unanswered,
            **self.answered,
        }  # read before the database, because more requests may be added now
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        query = select(events.c.request_id, events.c.type, func.count()).where(events.c.audit.is_(False))
        with database.read() as tx:
            for request_id, type_, count in tx.execute(query.group_by(events.c.request_id, events.c.type)):
                counts[request_id][type_] = count
        done = 0
        for request_id, allowed in received.items():
            found = these(counts.get(request_id, {}))
            if found in allowed:
                done += request_id not in must and found != NOTHING
            elif request_id in must:
                raise BrokenPromise(f"Request {request_id} succeeded; it must be {_text(allowed)}: {dict(found)}.")
            elif found != NOTHING:
                raise BrokenPromise(f"Request {request_id} was partly performed: {dict(found)}, not {_text(allowed)}.")
        return Figures(len(must), len(received) - len(must), done)


def _text(allowed: Iterable[Events]) -> str:
    return " or ".join(str(dict(events)) for events in allowed)
