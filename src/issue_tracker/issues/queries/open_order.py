"""The order by `open_count`: the number of open assignments among those that a list shows of an issue.

If a list shows only open assignments, the issues are found through the assignments in these statuses, so that the many
finished ones add no cost. Otherwise every matching issue is counted.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import assignments, issues
from issue_tracker.database.tables.issues import is_open
from issue_tracker.issues.queries import search
from issue_tracker.issues.queries.conditions import Conditions, written
from issue_tracker.issues.queries.filters import Order
from issue_tracker.issues.queries.paging import page_of

OPEN_COUNT = "open_count"


def read_rows(
    tx: Connection,
    of_issue: Conditions,
    of_assignment: Conditions,
    values: dict[str, Any],
    order: Order,
    *,
    only_open: bool,
    paged: bool,
) -> Iterator[tuple[int, int, str]]:
    """Returns the id, the revision and the number of open assignments (as text) of each matching issue, in order.
    Only assignments that match `of_assignment` are counted. With `only_open`, the conditions match open assignments
    only, and an issue must have one.

    `values` contains the parameters of the conditions and `limit`; if `paged`, also the number `after`, as text, and
    the id `after_id`.
    """
    after = {"after": int(values["after"])} if paged else {}
    statement = _statement(of_issue, of_assignment, order, only_open, paged)
    return ((issue_id, revision, str(count)) for issue_id, revision, count in statement.all(tx, **values | after))


@lru_cache(maxsize=256)
def _statement(of_issue: Conditions, of_assignment: Conditions, order: Order, only_open: bool, paged: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        counting = select(assignments.c.issue_id, func.count().label("number")).where(*written(of_assignment, dialect))
        if not only_open:
            counting = counting.where(is_open)
        counted = counting.group_by(assignments.c.issue_id).subquery()
        count: ColumnElement[int] = func.coalesce(counted.c.number, 0)
        together = issues.join(counted, counted.c.issue_id == issues.c.issue_id, isouter=not only_open)
        query = select(issues.c.issue_id, issues.c.revision, count.label("open")).select_from(together)
        if of_issue:
            found = select(issues.c.issue_id).where(*written(of_issue, dialect))
            if dialect == "sqlite" and search.indexed in of_issue:
                found = search.from_index(found)
            query = query.where(issues.c.issue_id.in_(found))
        return page_of(query, count, issues.c.issue_id, order, paged)

    return Prepared(build)
