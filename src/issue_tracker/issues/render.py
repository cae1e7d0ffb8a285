"""Issues as JSON, each rendered once: kept by (id, revision), which changes whenever the rendering would.

The revision is read in the same transaction as everything else in an answer, so the cache needs no invalidation
and cannot be stale, whoever wrote (docs/decisions/0006-rendered-issues.md).
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.issues.queries import Filters, Row, load_issues

Fragment = bytes


class Page(msgspec.Struct, frozen=True):
    """A whole answer to a list, with its headers."""

    body: bytes
    headers: tuple[tuple[str, str], ...]


PAGE_ENTRY = 1024
"""What a kept page takes beyond its body, roughly: one that found nothing has 22 bytes, and is not free."""


class RenderedIssues:
    """The latest used renderings, up to a number of bytes; and whole pages by their ETag.

    A strong ETag names the very bytes of an answer, and is computed anew from the database for every request. So a
    page that is found by it is right, whoever wrote meanwhile.
    """

    def __init__(self, limit: int = 24 * 1024 * 1024, page_limit: int = 8 * 1024 * 1024) -> None:
        self._limit = limit
        self._page_limit = page_limit
        self._size = 0
        self._page_size = 0
        self._guard = threading.Lock()
        self._fragments: OrderedDict[tuple[int, int], Fragment] = OrderedDict()
        self._pages: OrderedDict[str, Page] = OrderedDict()

    def page(self, etag: str) -> Page | None:
        """The page with this ETag, if it was sent lately."""
        return self._pages.get(etag)

    def keep_page(self, etag: str, page: Page) -> None:
        """Remembers a page, and forgets the oldest ones beyond the limit: their ETags soon name the past."""
        if len(page.body) > self._page_limit // 4:
            return
        with self._guard:
            if etag not in self._pages:
                self._pages[etag] = page
                self._page_size += PAGE_ENTRY + len(page.body)
            while self._page_size > self._page_limit:
                _, oldest = self._pages.popitem(last=False)
                self._page_size -= PAGE_ENTRY + len(oldest.body)

    def take(self, rows: Sequence[Row]) -> list[Fragment | None]:
        """The renderings of these rows; None where there is none."""
        fragments = self._fragments
        with self._guard:
            found = []
            for row in rows:
                key = (row.issue_id, row.revision)
                fragment = fragments.get(key)
                if fragment is not None:
                    fragments.move_to_end(key)
                found.append(fragment)
            return found

    def keep(self, row: Row, fragment: Fragment) -> None:
        """Remembers a rendering, and forgets the longest unused ones beyond the limit."""
        with self._guard:
            if (row.issue_id, row.revision) in self._fragments:
                return
            self._fragments[row.issue_id, row.revision] = fragment
            self._size += len(fragment)
            while self._size > self._limit:
                _, oldest = self._fragments.popitem(last=False)
                self._size -= len(oldest)


def render(
    tx: Connection, actor: Actor, cache: RenderedIssues, rows: Sequence[Row], filters: Filters, *, keep: bool = True
) -> list[Fragment]:
    """Each row's issue as JSON, with the assignments that the filters select.

    Without `keep`, what is rendered is not remembered: a list that is longer than the cache would only push out
    what others need.
    """
    if filters.on_assignments:
        return [msgspec.json.encode(issue) for issue in load_issues(tx, actor, [row.issue_id for row in rows], filters)]
    fragments = cache.take(rows)
    missing = [row for row, fragment in zip(rows, fragments, strict=True) if fragment is None]
    if not missing:
        return [fragment for fragment in fragments if fragment is not None]
    fresh: dict[int, Fragment] = {}
    by_id = {row.issue_id: row for row in missing}
    for issue in load_issues(tx, actor, list(by_id)):
        fresh[issue.issue_id] = msgspec.json.encode(issue)
        if keep:
            cache.keep(by_id[issue.issue_id], fresh[issue.issue_id])
    return [
        fresh[row.issue_id] if fragment is None else fragment
        for row, fragment in zip(rows, fragments, strict=True)
        if fragment is not None or row.issue_id in fresh
    ]
