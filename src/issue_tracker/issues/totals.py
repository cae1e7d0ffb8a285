"""The totals cache: how many issues a limited access sees in a list, counted once and then followed by events.

Whoever sees all companies reads a total from counters (docs/decisions/0011). For whoever sees some of them it is
counted from their assignments, which takes longer than everything else in a page. Most changes leave it as it is: every
change records an event in its own transaction, and only some types of events can change which issues are in a list. So
a total is good until there is such an event that concerns a visible company.

A total is stored with the last event of the snapshot that it was counted in, and only if that snapshot had no gap
before it. Then every snapshot that is settled up to there, or further, contains the same changes.
"""

import threading
from collections import OrderedDict

import msgspec
from sqlalchemy import Connection

from issue_tracker.events.catalog import EventType
from issue_tracker.events.order import Watermark
from issue_tracker.events.queries.log import has_event
from issue_tracker.issues.queries.filters import Filters
from issue_tracker.issues.queries.issue_list import IssueList

LARGEST_DISTANCE = 1000
"""Of an older total, more events would have to be searched than counting again is worth."""

ENTRIES = 1000

_Key = tuple[str, str, Filters]

_MEMBERSHIP = (
    EventType.ISSUE_DELETED,
    EventType.ASSIGNMENT_CREATED,
    EventType.ASSIGNMENT_DELETED,
    EventType.COMPANY_DELETED,
)
_STATUSES = (EventType.ASSIGNMENT_STATUS_CHANGED,)
_TEXTS = (EventType.ISSUE_UPDATED,)


class _Total(msgspec.Struct, frozen=True):
    total: int
    last_event_id: int


class TotalsCache:
    """Used by all threads of a process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._totals: OrderedDict[_Key, _Total] = OrderedDict()

    def count(self, tx: Connection, issue_list: IssueList, history: str, watermark: Watermark) -> int:
        """Returns how many issues the list has. `watermark` is what the transaction sees of this history."""
        filters = issue_list.filters
        if filters.overdue is None:
            # The instant is part of the order then, and changes no total.
            filters = msgspec.structs.replace(filters, at=None)
        if issue_list.access.all or watermark.beyond or not _depends_on_events_only(filters):
            return issue_list.count()
        key, last = (history, issue_list.access.key, filters), watermark.last_event_id
        with self._guard:
            known = self._totals.get(key)
        good = known is not None and 0 <= last - known.last_event_id <= LARGEST_DISTANCE
        if known is None or not good or _has_changed(tx, issue_list, known.last_event_id):
            known = _Total(issue_list.count(), last)
        with self._guard:
            self._totals[key] = _Total(known.total, last)
            self._totals.move_to_end(key)
            if len(self._totals) > ENTRIES:
                self._totals.popitem(last=False)
        return known.total


def _depends_on_events_only(filters: Filters) -> bool:
    """Whether nothing but events of known types changes the total: no time, and no filter that is not known here."""
    return msgspec.structs.replace(filters, search="", statuses=None, company_ids=None) == Filters()


def _has_changed(tx: Connection, issue_list: IssueList, after: int) -> bool:
    """Whether an event above `after` may have changed which issues are in the list."""
    filters = issue_list.filters
    types = _MEMBERSHIP + (_STATUSES if filters.statuses is not None else ()) + (_TEXTS if filters.search else ())
    return has_event(tx, issue_list.access, types, after=after)
