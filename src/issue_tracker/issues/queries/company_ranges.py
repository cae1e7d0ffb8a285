"""The beginning of a list of several companies, read from little more of each index range than the page shows.

A page of 50 issues of 20 companies contains two or three entries of each. Reading 50 of each, merging a thousand and
discarding most of them would take as long as the rest of the request.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from issue_tracker.database.prepared import numbers
from issue_tracker.issues.queries import list_statements as statements
from issue_tracker.issues.queries.conditions import Conditions, spread
from issue_tracker.issues.queries.filters import Order, Row

SEVERAL = 5
"""Minimum number of companies; with fewer, one statement that reads a whole page of each is as fast."""

MORE = 8
"""Number of entries read from each range in addition to three times its share of the page."""

_Entry = tuple[str, int]
"""Casefolded name and id of an issue, as stored in the index."""


def first_of_ranges(
    tx: Connection,
    companies: Sequence[int],
    of_status: Conditions,
    order: Order,
    paged: bool,
    values: dict[str, Any],
    limit: int,
) -> list[Row]:
    """Returns the first `limit` issues, by name, that have an assignment to one of the companies which meets the
    conditions; if `paged`, after the position in `values`. The companies must be visible to the actor.

    A range that was not read to its end may continue with issues that belong on the page. Then it is read once more, up
    to the length of a page.
    """
    entries: set[_Entry] = set()
    page: list[_Entry] = []
    read, each = list(companies), min(limit, MORE + 3 * limit // len(companies))
    while read:
        alternatives = spread("company", read, 0)
        statement = statements.beginnings(len(alternatives), of_status, order, paged)
        ranges: dict[int, list[_Entry]] = {}
        for number, sort_value, issue_id in statement.all(tx, **values, **alternatives, limit=each):
            ranges.setdefault(number, []).append((sort_value, issue_id))
        entries.update(chain.from_iterable(ranges.values()))
        page = sorted(entries, reverse=order.descending)[:limit]
        cut = [number for number, found in ranges.items() if len(found) == each < limit]
        if len(page) == limit:
            cut = [number for number in cut if _ends_before(page[-1], ranges[number], order)]
        read, each = [read[number] for number in cut], limit
    revisions = dict(statements.revisions.all(tx, issues=numbers(tx, [issue_id for _, issue_id in page])))
    # In a write transaction on PostgreSQL, an issue may be deleted between two statements.
    return [
        Row(issue_id=issue_id, revision=revisions[issue_id], sort_value=sort_value)
        for sort_value, issue_id in page
        if issue_id in revisions
    ]


def _ends_before(entry: _Entry, found: Sequence[_Entry], order: Order) -> bool:
    return min(found) > entry if order.descending else max(found) < entry
