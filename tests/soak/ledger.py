"""What responses writers received, and whether the database agrees.

Every request has an id of its own, which all of its events carry. So what a request did can be read from the history,
and the check of the invariants proves that everything else agrees with the history.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import func, select

from issue_tracker.database.engine import Database
from issue_tracker.database.tables import events

NOTHING: frozenset[tuple[str, int]] = frozenset()

Events = frozenset[tuple[str, int]]
"""How many events of each type."""


class BrokenPromise(Exception):
    """Something that the product promises does not hold; the message says what."""


def these(counts: Mapping[str, int]) -> Events:
    """Events of each type, so many."""
    return frozenset((type_, count) for type_, count in counts.items() if count)


class Figures(NamedTuple):
    """How many requests were answered with success, had no answer or 503, and had been done all the same."""

    answered: int
    unanswered: int
    done: int


class Ledger:
    """The requests of all writers, each with the events that it may lead to."""

    def __init__(self) -> None:
        self.answered: dict[str, frozenset[Events]] = {}
        self.unanswered: dict[str, frozenset[Events]] = {}
        self.refused = 0
        """How many of the unanswered ones were refused with 503."""
        self.problems: list[str] = []
        """Responses that no outage explains."""

    def verify(self, database: Database, answered: Iterable[str] | None = None) -> Figures:
        """Compares with a database, in which at least the requests in `answered` must be found; all if None.

        Raises BrokenPromise for one that was answered and is not there, and for one that is there in part.
        """
        if self.problems:
            raise BrokenPromise(self.problems[0])
        must = set(self.answered if answered is None else answered)
        received = {**self.unanswered, **self.answered}  # read before the database: more may be added now
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
                raise BrokenPromise(f"Request {request_id} was answered; it must be {_text(allowed)}: {dict(found)}.")
            elif found != NOTHING:
                raise BrokenPromise(f"Request {request_id} was done in part: {dict(found)}, not {_text(allowed)}.")
        return Figures(len(must), len(received) - len(must), done)


def _text(allowed: Iterable[Events]) -> str:
    return " or ".join(str(dict(events)) for events in allowed)
