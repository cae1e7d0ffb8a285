"""The fragment cache: an issue as JSON, and as a row of the matrix, each made once (docs/decisions/0006).

Reading and encoding an issue costs more than everything else in a list. Therefore the bytes of an issue, with the
assignments that a list shows, are stored under its id, its revision, and what determines these assignments: the actor's
company access, and the list's filters by status and company. The revision is read in the same transaction as the rest
of the response, and grows with every change that would change the bytes: a change to the issue, to an assignment, or to
the name of an assigned company. A stored fragment is therefore found only while it is valid, whichever process makes
changes, and nothing needs to be invalidated. A row of the matrix also depends on the time, which marks its cells: it
says for which times it is valid, and is made again for any other. The least recently used fragments are evicted beyond
a number of bytes. A list with details is always encoded again. The fragment cache serves requests that were not sent
before, and the first ones after a change; the response cache in front of it serves repeated requests.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from issue_tracker.issues.queries.filters import Row
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.queries.matrix import MatrixRow, read_rows

_Key = tuple[int, int, str]
_Fragment = TypeVar("_Fragment", bytes, MatrixRow)

LIMIT, LIMIT_OF_ROWS = 24 * 1024 * 1024, 12 * 1024 * 1024
"""Total size of all issues as JSON, and of all rows of the matrix, in bytes."""

ENTRY = 300
"""Approximate overhead of an entry, in bytes."""

CELL = 100
"""Approximate size of a cell of the matrix in memory, in bytes."""


class _Stored(Generic[_Fragment]):
    """Fragments of one kind, by key. `limit` is their total size, of which `size_of` returns the part of one.

    Safe to use from all threads.
    """

    def __init__(self, limit: int, size_of: Callable[[_Fragment], int]) -> None:
        self._limit = limit
        self._size_of: Callable[[_Fragment], int] = size_of
        self._size = 0
        self._guard = threading.Lock()
        self._fragments: OrderedDict[_Key, _Fragment] = OrderedDict()

    def find(self, keys: Sequence[_Key]) -> list[_Fragment | None]:
        """Returns the stored fragment for each key, or None. The fragments become the most recently used ones."""
        with self._guard:
            found = [self._fragments.get(key) for key in keys]
            for key, fragment in zip(keys, found, strict=True):
                if fragment is not None:
                    self._fragments.move_to_end(key)
        return found

    def store(self, new: dict[_Key, _Fragment]) -> None:
        """Stores fragments in the place of those with the same keys."""
        with self._guard:
            for key, fragment in new.items():
                replaced = self._fragments.pop(key, None)
                self._size += self._size_of(fragment) - (0 if replaced is None else self._size_of(replaced))
                self._fragments[key] = fragment
            while self._size > self._limit:
                _, oldest = self._fragments.popitem(last=False)
                self._size -= self._size_of(oldest)

    def clear(self) -> None:
        with self._guard:
            self._fragments.clear()
            self._size = 0


class FragmentCache:
    """The cache. Safe to use from all threads."""

    def __init__(self) -> None:
        self._encoded = _Stored[bytes](LIMIT, lambda fragment: ENTRY + len(fragment))
        self._rows = _Stored[MatrixRow](LIMIT_OF_ROWS, lambda row: 2 * ENTRY + CELL * len(row.cells))

    def render(
        self, issue_list: IssueList, rows: Sequence[Row], *, store: bool = True, details: bool = False
    ) -> list[bytes]:
        """Returns each issue of these rows of a list as JSON. Omits issues that are no longer in the list.

        Without `store`, new fragments are not stored, because a list longer than the cache would only evict fragments
        that other requests need.
        """
        if details:
            return [msgspec.json.encode(issue) for issue in issue_list.load(rows, details=True)]
        keys = _keys(issue_list, rows)
        found = self._encoded.find(keys)
        missing = [row for row, fragment in zip(rows, found, strict=True) if fragment is None]
        if missing:
            new = {issue.issue_id: msgspec.json.encode(issue) for issue in issue_list.load(missing)}
            found = [
                new.get(row.issue_id) if fragment is None else fragment
                for row, fragment in zip(rows, found, strict=True)
            ]
            if store:
                self._encoded.store({key: new[key[0]] for key in keys if key[0] in new})
        return [fragment for fragment in found if fragment is not None]

    def matrix_rows(self, issue_list: IssueList, rows: Sequence[Row], marked_before: datetime) -> list[MatrixRow]:
        """Returns what `read_rows` returns. Rows that would take more than half of the cache are not stored."""
        keys = _keys(issue_list, rows)
        found = [
            row if row is not None and row.marked_from <= marked_before <= row.marked_until else None
            for row in self._rows.find(keys)
        ]
        missing = [row for row, known in zip(rows, found, strict=True) if known is None]
        if missing:
            new = {row.issue_id: row for row in read_rows(issue_list, missing, marked_before)}
            found = [new.get(row.issue_id) if known is None else known for row, known in zip(rows, found, strict=True)]
            if sum(len(row.cells) for row in new.values()) <= LIMIT_OF_ROWS // 2 // CELL:
                self._rows.store({key: new[key[0]] for key in keys if key[0] in new})
        return [row for row in found if row is not None]

    def clear(self) -> None:
        """Removes all fragments, for measurements without them."""
        self._encoded.clear()
        self._rows.clear()


def _keys(issue_list: IssueList, rows: Sequence[Row]) -> list[_Key]:
    shown = issue_list.shown_key
    return [(row.issue_id, row.revision, shown) for row in rows]
