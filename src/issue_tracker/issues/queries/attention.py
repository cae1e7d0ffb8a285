"""The order “needs attention”: overdue issues first, and finished ones last; in each group, those that have been
unchanged the longest come first, but of issues that are not finished, those without an owner.

An issue is finished when all of its companies are resolved or closed. Which issues are overdue depends on the time, so
a place in the order contains the time at which the first page was read: on all pages, the same issues are overdue.

For a page of all issues, or of the open ones, each rank is read in order from its own index, only as far as the page
needs. If a filter leaves few issues, these are found and sorted.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    func,
    select,
    tuple_,
)

from issue_tracker.actor import CompanyAccess
from issue_tracker.clock import iso
from issue_tracker.company_access.queries import access_values
from issue_tracker.database.prepared import Prepared, instant
from issue_tracker.database.tables import issues
from issue_tracker.database.types import Instant
from issue_tracker.issues.queries import search
from issue_tracker.issues.queries.conditions import Conditions, latest, written
from issue_tracker.issues.queries.field_conditions import (
    finished,
    has_no_owner,
    is_not_overdue,
    is_overdue,
    seen_assignments,
    unfinished,
)
from issue_tracker.issues.queries.filters import Filters
from issue_tracker.status import OPEN

FINISHED_RANK = 4
"""The rank of finished issues. 0 to 3: overdue without an owner, overdue, without an owner, all others."""

EARLIEST_READ = datetime(1970, 1, 1, tzinfo=UTC)
"""No page was read before this time. Clients can change the time in a position, and filters subtract years from it."""


class Place(msgspec.Struct, frozen=True):
    """The place of an issue in the order: its rank at a time, and when it was last changed."""

    rank: int
    at: datetime
    updated_at: datetime

    @property
    def text(self) -> str:
        """The place as the sort value of a position."""
        return f"{self.rank} {iso(self.at)} {iso(self.updated_at)}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """Returns the place from such a text. Raises ValueError for any other text."""
        rank, at, updated_at = text.split(" ")
        place = cls(int(rank), datetime.fromisoformat(at), datetime.fromisoformat(updated_at))
        if place.rank not in range(FINISHED_RANK + 1) or place.at.tzinfo is None or place.updated_at.tzinfo is None:
            raise ValueError("no place in this order")
        if place.at < EARLIEST_READ:
            raise ValueError("no time at which a page was read")
        return place


def ranks_of(filters: Filters, *, unlimited: bool) -> tuple[int, ...] | None:
    """Returns the ranks that can contain issues under these filters; None if the filters leave so few issues that all
    of them are sorted. `unlimited`: neither the filters nor the access select companies.
    """
    found_first = filters.search, filters.words, filters.tag, filters.reference, filters.changed_since
    selective = any(found_first) or filters.updated_since is not None
    if not unlimited or selective or filters.owner is not None or filters.overdue is not None:
        return None
    ranks = (0, 2) if filters.unowned else (0, 1, 2, 3)
    only_open = filters.statuses is not None and set(filters.statuses) <= set(OPEN)
    return ranks if only_open or filters.unmoved_since is not None else (*ranks, FINISHED_RANK)


def find_next_due(tx: Connection, access: CompanyAccess, after: datetime) -> datetime | None:
    """Returns when the next visible issue becomes overdue after an instant, if nothing is changed; None: never."""
    found = _next_due(not access.all).scalar(tx, at=after, **access_values(tx, access))
    return None if found is None else instant(found)


@cache
def _next_due(limited: bool) -> Prepared:
    due = select(func.min(issues.c.next_update_at)).where(issues.c.next_update_at > bindparam("at", type_=Instant()))
    return Prepared(lambda dialect: due.where(unfinished(limited=True)(dialect)) if limited else due)


def read_rows(
    tx: Connection,
    conditions: Conditions,
    values: dict[str, Any],
    *,
    ranks: tuple[int, ...] | None,
    access: CompanyAccess,
    after: tuple[Place, int] | None,
    limit: int,
) -> Iterator[tuple[int, int, Place]]:
    """Yields the ids and revisions of issues that meet the conditions, with their places, at most `limit`, in order.

    `values` are the parameters of the conditions, including `at`. `ranks` are read one after another; with None, all
    matching issues are sorted. `after` is the place of an issue and its id. With limited access, `ranks` must be None.
    """
    at: datetime = values["at"]
    given = values | ({} if after is None else {"after": after[0].updated_at, "after_id": after[1]})
    if ranks is None:
        rank = {} if after is None else {"after_rank": after[0].rank}
        found = _sorted(conditions, not access.all, after is not None).all(tx, **given, **rank, limit=limit)
        yield from (
            (issue_id, revision, Place(int(number), at, instant(time))) for issue_id, revision, time, number in found
        )
        return
    for number in ranks:
        if limit <= 0 or (after is not None and number < after[0].rank):
            continue
        paged = after is not None and number == after[0].rank
        found = _ranked(conditions, number, paged).all(tx, **(given if paged else values), limit=limit)
        limit -= len(found)
        yield from ((issue_id, revision, Place(number, at, instant(time))) for issue_id, revision, time in found)


def rank_of(dialect: str, live: ColumnElement[bool]) -> ColumnElement[Any]:
    """The rank of an issue at the time `at`; `live` is the condition that it is not finished."""
    due, unowned = issues.c.next_update_at < bindparam("at", type_=Instant()), has_no_owner(dialect)
    return case(
        (and_(due, live, unowned), 0), (and_(due, live), 1), (and_(live, unowned), 2), (live, 3), else_=FINISHED_RANK
    )


@lru_cache(maxsize=256)
def _sorted(conditions: Conditions, limited: bool, paged: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        time: ColumnElement[datetime] = issues.c.updated_at
        live = unfinished(limited=False)(dialect)
        seen = seen_assignments(dialect) if limited else None
        if seen is not None:
            live, time = seen.c.open == 1, latest(dialect, seen.c.last)
        rank = rank_of(dialect, live)
        columns = issues.c.issue_id, issues.c.revision, time.label("time"), rank.label("rank")
        query = select(*columns).where(*written(conditions, dialect))
        if seen is not None:
            query = query.join(seen, seen.c.issue_id == issues.c.issue_id)
        if search.indexed in conditions and dialect == "sqlite":
            query = search.from_index(query)
        if paged:
            position = bindparam("after_rank", type_=Integer), _after(), bindparam("after_id", type_=BigInteger)
            query = query.where(tuple_(rank, time, issues.c.issue_id) > tuple_(*position))
        return query.order_by(rank, time, issues.c.issue_id).limit(bindparam("limit"))

    return Prepared(build)


@lru_cache(maxsize=256)
def _ranked(conditions: Conditions, rank: int, paged: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        live, unowned = unfinished(limited=False)(dialect), has_no_owner(dialect)
        owned = issues.c.owner_id.is_not(None)
        columns = issues.c.issue_id, issues.c.revision, issues.c.updated_at
        query = select(*columns).where(*written(conditions, dialect))
        if rank == FINISHED_RANK:
            query = query.where(finished(limited=False)(dialect))
        else:
            overdue = is_overdue(limited=False) if rank < 2 else is_not_overdue(limited=False)
            query = query.where(live, unowned if rank % 2 == 0 else owned, overdue(dialect))
        this = issues.c.updated_at, issues.c.issue_id
        if paged:
            query = query.where(tuple_(*this) > tuple_(_after(), bindparam("after_id", type_=BigInteger)))
        return query.order_by(*this).limit(bindparam("limit"))

    return Prepared(build)


@lru_cache(maxsize=512)
def count_up_to(conditions: Conditions, *, by_time: bool) -> Prepared:
    """Counts the issues that meet the conditions, up to `limit`; no condition may be a search. `by_time`: there is an
    index of these issues by the time of their last change, which SQLite uses only for this order.
    """

    def build(dialect: str) -> Select[Any]:
        found = select(issues.c.issue_id).where(*written(conditions, dialect)).limit(bindparam("limit"))
        found = found.order_by(issues.c.updated_at) if by_time and dialect == "sqlite" else found
        return select(func.count()).select_from(found.subquery())

    return Prepared(build)


def _after() -> Any:
    return bindparam("after", type_=issues.c.updated_at.type)
