"""The totals cache: the numbers of issues in lists under limited company access.

For actors with access to all companies, totals come from counters (docs/decisions/0011). Under limited access, a total
is counted from assignments, which takes longer than everything else in a page. Most changes do not affect it: every
change records an event in its own transaction, and only some types of events can change which issues are in a list.
Therefore a total is valid until such an event concerns a visible company.

A total is stored with the last event of the snapshot in which it was counted, and only if that snapshot had no gap
before it. Then every snapshot that is settled up to this event or further contains the same changes.
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
"""Maximum number of events since an entry. Searching more events would cost more than counting again."""

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
    """The cache. Safe to use from all threads of a process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._totals: OrderedDict[_Key, _Total] = OrderedDict()

    def count(self, tx: Connection, issue_list: IssueList, history: str, watermark: Watermark) -> int:
        """Returns the number of issues in the list. `watermark` is what the transaction sees of this history."""
        filters = issue_list.filters
        if filters.overdue is None:
            # The instant then affects only the order, and not the total.
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
    """Returns whether only events of known types can change the total: neither the time nor an unknown filter."""
    return msgspec.structs.replace(filters, search="", statuses=None, company_ids=None) == Filters()


def _has_changed(tx: Connection, issue_list: IssueList, after: int) -> bool:
    """Returns whether an event above `after` may have changed which issues are in the list."""
    filters = issue_list.filters
    types = _MEMBERSHIP + (_STATUSES if filters.statuses is not None else ()) + (_TEXTS if filters.search else ())
    return has_event(tx, issue_list.access, types, after=after)
