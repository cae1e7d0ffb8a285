"""A cache of the counts above the list, for actors with limited company access: valid until they see another event.

For actors who see all companies, indexes give the counts in less than a millisecond. For a limited access, the
assignments of all its companies have to be read.
"""

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.events.order import Watermark
from issue_tracker.issues.queries.attention_counts import AttentionCounts, count_attention

GOOD_FOR = timedelta(minutes=1)
"""Issues become unmoved and overdue without any change, so cached counts expire."""

ENTRIES = 1000


class _Counted(msgspec.Struct, frozen=True):
    counts: AttentionCounts
    seen: Watermark
    at: datetime


class AttentionCache:
    """The cache of a process. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counted: OrderedDict[str, _Counted] = OrderedDict()

    def count(self, tx: Connection, actor: Actor, history: str, seen: Watermark, at: datetime) -> AttentionCounts:
        """Returns the counts at an instant. `history` identifies the history that the actor can see, which depends on
        the company access; `seen` is the last event of it that the transaction can see.
        """
        if actor.company_access.all:
            return count_attention(tx, actor, at)
        with self._guard:
            known = self._counted.get(history)
        if known is None or known.seen != seen or not known.at <= at < known.at + GOOD_FOR:
            known = _Counted(count_attention(tx, actor, at), seen, at)
        with self._guard:
            self._counted[history] = known
            self._counted.move_to_end(history)
            if len(self._counted) > ENTRIES:
                self._counted.popitem(last=False)
        return known.counts
