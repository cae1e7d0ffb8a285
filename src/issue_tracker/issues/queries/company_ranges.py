"""The beginning of a list of several companies, from little more of each company's index range than the page shows.

A page of 50 issues of 20 companies has two or three entries of each. To read 50 of each, merge a thousand and drop most
of them takes as long as the rest of the request.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from issue_tracker.issues.queries import list_statements as statements
from issue_tracker.issues.queries.conditions import Conditions, spread
from issue_tracker.issues.queries.filters import Order

SEVERAL = 5
"""With fewer companies, one statement that reads a whole page of each takes no longer."""

MORE = 8
"""How many entries more than three times its share of the page are read of each range."""

Entry = tuple[str, int]
"""Casefolded name and id of an issue, as the index has them."""


def first_of_ranges(
    tx: Connection,
    companies: Sequence[int],
    of_status: Conditions,
    order: Order,
    paged: bool,
    values: dict[str, Any],
    limit: int,
) -> list[Entry]:
    """Returns the first `limit` issues, by name, that have an assignment to one of the companies which meets the
    conditions; when `paged`, after the position in `values`. The companies must be visible to whoever reads.

    A range that was not read to its end may go on with an issue that belongs on the page. It is read once more then, as
    far as a page reaches at most.
    """
    entries: set[Entry] = set()
    page: list[Entry] = []
    read, each = list(companies), min(limit, MORE + 3 * limit // len(companies))
    while read:
        alternatives = spread("company", read, 0)
        statement = statements.beginnings(len(alternatives), of_status, order, paged)
        ranges: dict[int, list[Entry]] = {}
        for number, sort_value, issue_id in statement.all(tx, **values, **alternatives, limit=each):
            ranges.setdefault(number, []).append((sort_value, issue_id))
        entries.update(chain.from_iterable(ranges.values()))
        page = sorted(entries, reverse=order.descending)[:limit]
        cut = [number for number, found in ranges.items() if len(found) == each < limit]
        if len(page) == limit:
            cut = [number for number in cut if _ends_before(page[-1], ranges[number], order)]
        read, each = [read[number] for number in cut], limit
    return page


def _ends_before(entry: Entry, found: Sequence[Entry], order: Order) -> bool:
    return min(found) > entry if order.descending else max(found) < entry
