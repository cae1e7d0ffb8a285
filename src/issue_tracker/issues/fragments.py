"""The fragment cache: one issue as JSON, encoded once (docs/decisions/0006).

Reading and encoding an issue costs more than everything else in a list. Therefore the bytes of an issue, with the
assignments that a list shows, are stored under its id, its revision, and what determines these assignments: the actor's
company access, and the list's filters by status and company. The revision is read in the same transaction as the rest
of the response, and grows with every change that would change the bytes: a change to the issue, to an assignment, or to
the name of an assigned company. A stored fragment is therefore found only while it is valid, whichever process makes
changes, and nothing needs to be invalidated. The least recently used fragments are evicted beyond a number of bytes. A
list with details is always encoded again. The fragment cache serves requests that were not sent before, and the first
ones after a change; the response cache in front of it serves repeated requests.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from issue_tracker.issues.queries.filters import Row
from issue_tracker.issues.queries.issue_list import IssueList

_Key = tuple[int, int, str]

ENTRY = 300
"""Approximate overhead of an entry, in bytes."""


class FragmentCache:
    """The cache. Safe to use from all threads. `limit` is the total size of all fragments, in bytes."""

    def __init__(self, limit: int = 24 * 1024 * 1024) -> None:
        self._limit = limit
        self._size = 0
        self._guard = threading.Lock()
        self._fragments: OrderedDict[_Key, bytes] = OrderedDict()

    def render(
        self, issue_list: IssueList, rows: Sequence[Row], *, store: bool = True, details: bool = False
    ) -> list[bytes]:
        """Returns each issue of these rows of a list as JSON. Omits issues that are no longer in the list.

        Without `store`, new fragments are not stored, because a list longer than the cache would only evict fragments
        that other requests need.
        """
        if details:
            return [msgspec.json.encode(issue) for issue in issue_list.load(rows, details=True)]
        shown = issue_list.shown_key
        keys = [(row.issue_id, row.revision, shown) for row in rows]
        found = self._find(keys)
        missing = [row for row, fragment in zip(rows, found, strict=True) if fragment is None]
        if missing:
            new = {issue.issue_id: msgspec.json.encode(issue) for issue in issue_list.load(missing)}
            found = [
                new.get(row.issue_id) if fragment is None else fragment
                for row, fragment in zip(rows, found, strict=True)
            ]
            if store:
                self._store({key: new[key[0]] for key in keys if key[0] in new})
        return [fragment for fragment in found if fragment is not None]

    def _find(self, keys: Sequence[_Key]) -> list[bytes | None]:
        """Returns the stored fragment for each key, or None. The fragments become the most recently used ones."""
        with self._guard:
            found = [self._fragments.get(key) for key in keys]
            for key, fragment in zip(keys, found, strict=True):
                if fragment is not None:
                    self._fragments.move_to_end(key)
        return found

    def _store(self, new: dict[_Key, bytes]) -> None:
        with self._guard:
            for key, fragment in new.items():
                if key not in self._fragments:
                    self._fragments[key] = fragment
                    self._size += ENTRY + len(fragment)
            while self._size > self._limit:
                _, oldest = self._fragments.popitem(last=False)
                self._size -= ENTRY + len(oldest)

    def clear(self) -> None:
        """Removes all fragments, for measurements without them."""
        with self._guard:
            self._fragments.clear()
            self._size = 0
