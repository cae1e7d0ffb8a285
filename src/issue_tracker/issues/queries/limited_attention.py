"""The order “needs attention” under limited company access, read only as far as the page needs.

The time of an issue is the latest change of what the actor may see of it, and no index is in this order. But no issue
is older than any of its assignments: when all visible assignments up to an instant have been read, every issue up to
this instant has been found. So a page reads the oldest assignments of each company from their index ranges, determines
the ranks and the times of their issues, and reads further only if these are too few.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ARRAY, Connection, Select, bindparam, case, func, literal, select, true, union_all

from issue_tracker.actor import CompanyAccess
from issue_tracker.database.prepared import Prepared, among, instant, numbers
from issue_tracker.database.tables import assignments, issues
from issue_tracker.database.tables.issues import in_status
from issue_tracker.database.types import Id, Instant
from issue_tracker.issues.queries.attention import FINISHED_RANK, Place, rank_of, ranks_of
from issue_tracker.issues.queries.conditions import Conditions, latest, of_companies, of_issues, written
from issue_tracker.issues.queries.field_conditions import has_no_owner, unfinished
from issue_tracker.issues.queries.filters import Filters
from issue_tracker.status import FINISHED, OPEN, Status

MOST = 4000
"""Maximum number of assignments that are read at once. If a page needs more, all issues are sorted instead."""

FEW = 1000
"""Number of unfinished issues without an owner, including hidden ones, up to which all of them are examined."""

SAMPLED = 64
"""Maximum number of companies whose oldest assignments determine how far those of all companies are read."""

FURTHER = 8
"""How many times as many assignments are read if the first ones were too few."""

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

Found = tuple[int, int, Place]
"""The id and the revision of an issue, and its place."""


def read_rows(
    tx: Connection,
    filters: Filters,
    conditions: Conditions,
    values: dict[str, Any],
    *,
    access: CompanyAccess,
    after: tuple[Place, int] | None,
    limit: int,
) -> Iterator[Found] | None:
    """Yields the first issues that meet the conditions on issues, at most `limit`, in order, as `attention.read_rows`
    does; None if the access is not limited, or if sorting all matching issues is faster.
    """
    ranks = ranks_of(filters, unlimited=filters.company_ids is None)
    some_finished = filters.statuses is not None and not set(filters.statuses) <= set(OPEN)
    if access.all or ranks is None or some_finished or filters.unmoved_since is not None or limit > MOST // FURTHER:
        return None
    found = _Order(tx, conditions, values, filters.statuses, access, after).read(ranks, limit)
    return None if found is None else iter(found)


def count_unmoved(tx: Connection, access: CompanyAccess, before: datetime, most: int) -> int | None:
    """Returns the number of visible issues that are not finished and were last changed before an instant, at most
    `most`; None if too many assignments would have to be read.
    """
    order = _Order(tx, (), {"at": before}, None, access, None)
    for limit in (most + most // 2, MOST):
        found, complete = order.unfinished_before(before, limit)
        if complete or found >= most:
            return min(found, most)
    return None


class _Order:
    """The order of the issues that an actor with limited access may see. `conditions` are those on issues, `values`
    their parameters with `at`; `statuses` are open, and one of them is required if they are not None. The order begins
    after `after`, the place of an issue and its id.
    """

    def __init__(
        self,
        tx: Connection,
        conditions: Conditions,
        values: dict[str, Any],
        statuses: tuple[Status, ...] | None,
        access: CompanyAccess,
        after: tuple[Place, int] | None,
    ) -> None:
        self._tx, self._conditions, self._statuses, self._after = tx, conditions, statuses, after
        self._companies = sorted(access.company_ids or ())
        step = -(-len(self._companies) // SAMPLED) or 1
        self._sample = self._companies[::step]
        self._values = values | {"companies": numbers(tx, self._companies)}

    def read(self, ranks: Collection[int], limit: int) -> list[Found] | None:
        """Returns the first `limit` issues of these ranks; None if too many assignments would have to be read."""
        start = 0 if self._after is None else self._after[0].rank
        page: list[Found] = []
        for group in ((0, 1), (2,), (3,), (FINISHED_RANK,)):
            wanted = [rank for rank in group if rank in ranks and rank >= start]
            if not wanted or len(page) >= limit:
                continue
            found = self._overdue(wanted) if group[0] == 0 else self._oldest(wanted[0], limit - len(page))
            if found is None:
                return None
            page += found
        return page[:limit]

    def unfinished_before(self, before: datetime, limit: int) -> tuple[int, bool]:
        """Returns the number of unfinished issues last changed before an instant, among those of at most `limit`
        assignments, and whether these are all.
        """
        read = _read(OPEN).all(self._tx, **self._values, until=before, limit=limit + 1)
        found = self._examine({issue_id for (issue_id,) in read[:limit]}, range(FINISHED_RANK))
        return sum(each[2].updated_at < before for each in found), len(read) <= limit

    def _overdue(self, ranks: Sequence[int]) -> list[Found] | None:
        due = [issue_id for (issue_id,) in _due.all(self._tx, at=self._values["at"], limit=MOST + 1)]
        return None if len(due) > MOST else self._examine(due, ranks)

    def _oldest(self, rank: int, limit: int) -> list[Found] | None:
        """Returns the first issues of a rank, at most `limit`; None as `read` does."""
        if rank == 2:
            unowned = [issue_id for (issue_id,) in _unowned.all(self._tx, limit=FEW + 1)]
            if len(unowned) <= FEW:
                return self._examine(unowned, [rank])
        statuses = FINISHED if rank == FINISHED_RANK else self._statuses or OPEN
        wanted = limit + limit // 2
        while True:
            until = self._until(statuses, wanted, rank)
            read = _read(statuses).all(self._tx, **self._values, until=until, limit=MOST + 1)
            if len(read) > MOST:
                return None
            found = self._examine({issue_id for (issue_id,) in read}, [rank])
            # An issue with a later time may follow issues that have not been read.
            sure = [each for each in found if each[2].updated_at <= until]
            if len(sure) >= limit or until == LATEST:
                return sure
            wanted *= FURTHER

    def _until(self, statuses: tuple[Status, ...], wanted: int, rank: int) -> datetime:
        """Returns an instant up to which the companies have about `wanted` assignments or more in these statuses,
        after the place where the order begins; LATEST if they have fewer.
        """
        ranges = len(self._sample) * len(statuses)
        share = wanted * len(self._sample) // max(1, len(self._companies))
        # Half of the ranges suffice, because the last ones to end may have begun late.
        skipped = 2 * share // max(1, ranges)
        paged = self._after is not None and self._after[0].rank == rank
        beyond = self._after[0].updated_at if self._after is not None and paged else EARLIEST
        sample = numbers(self._tx, self._sample)
        rows = _ends(statuses).all(self._tx, sample=sample, beyond=beyond, skipped=skipped)
        ends = sorted(instant(end) for (end,) in rows if end is not None)
        # Each range that ends here contributes `skipped` + 1 assignments.
        return ends[min(len(ends), -(-share // (skipped + 1)) or 1) - 1] if ends else LATEST

    def _examine(self, issue_ids: Collection[int], ranks: Sequence[int]) -> list[Found]:
        """Returns those of the issues that are visible, meet the conditions, and have one of the ranks, in order."""
        if not issue_ids:
            return []
        at: datetime = self._values["at"]
        rows = _examined(self._conditions, self._statuses).all(
            self._tx, **self._values, issues=numbers(self._tx, list(issue_ids))
        )
        found = [(int(rank), instant(time), issue_id, revision) for issue_id, revision, time, rank in rows]
        if self._after is not None:
            place, after_id = self._after
            found = [each for each in found if each[:3] > (place.rank, place.updated_at, after_id)]
        return [
            (issue_id, revision, Place(rank, at, time))
            for rank, time, issue_id, revision in sorted(found)
            if rank in ranks
        ]


@lru_cache(maxsize=64)
def _examined(conditions: Conditions, statuses: tuple[Status, ...] | None) -> Prepared:
    """Selects id, revision, time and rank of those of the issues in the list `issues` that match."""

    def build(dialect: str) -> Select[Any]:
        a = assignments.c
        # The sum prevents the databases from seeking every company in the index of every issue.
        visible = among(a.company_id + 0, "companies", dialect)
        seen = (
            select(
                a.issue_id,
                func.max(a.updated_at).label("last"),
                _any_of(OPEN).label("open"),
                _any_of(statuses or tuple(Status)).label("matching"),
            )
            .where(of_issues(dialect), visible)
            .group_by(a.issue_id)
            .subquery()
        )
        time, rank = latest(dialect, seen.c.last), rank_of(dialect, seen.c.open == 1)
        columns = issues.c.issue_id, issues.c.revision, time.label("time"), rank.label("rank")
        query = select(*columns).join(seen, seen.c.issue_id == issues.c.issue_id)
        return query.where(seen.c.matching == 1, *written(conditions, dialect))

    return Prepared(build)


def _any_of(statuses: tuple[Status, ...]) -> Any:
    """Returns 1 if one of the grouped assignments has one of the statuses, otherwise 0."""
    return func.max(case((in_status(statuses), 1), else_=0))


@lru_cache(maxsize=64)
def _read(statuses: tuple[Status, ...]) -> Prepared:
    """Selects the issues of the assignments in these statuses that have not changed since `until`."""
    a = assignments.c
    unchanged = a.updated_at <= bindparam("until", type_=Instant())
    query = select(a.issue_id).where(in_status(statuses), unchanged).limit(bindparam("limit"))
    return Prepared(lambda dialect: query.where(of_companies(dialect)))


@lru_cache(maxsize=64)
def _ends(statuses: tuple[Status, ...]) -> Prepared:
    """Selects when the assignment changed that follows `skipped` others after `beyond`, for each company in the list
    `sample` and each status; null if there are fewer.
    """

    def build(dialect: str) -> Select[Any]:
        companies = func.json_each(bindparam("sample")).table_valued("value", name="company")
        if dialect == "postgresql":
            listed = func.unnest(bindparam("sample", type_=ARRAY(Id)))
            companies = listed.table_valued("value").render_derived(name="company")
        each = union_all(*(select(literal(status.value).label("status")) for status in statuses)).subquery("each")
        a = assignments.c
        end = (
            select(a.updated_at)
            .where(a.company_id == companies.c.value, a.status == each.c.status)
            .where(a.updated_at > bindparam("beyond", type_=Instant()))
            .order_by(a.updated_at)
            .limit(1)
            .offset(bindparam("skipped"))
        )
        return select(end.scalar_subquery()).select_from(companies.join(each, true()))

    return Prepared(build)


_due = Prepared(
    lambda _: (
        select(issues.c.issue_id)
        .where(issues.c.next_update_at < bindparam("at", type_=Instant()))
        .limit(bindparam("limit"))
    )
)
"""The issues whose next update was due."""

_unowned = Prepared(
    lambda dialect: (
        select(issues.c.issue_id)
        .where(has_no_owner(dialect), unfinished(limited=False)(dialect))
        .order_by(issues.c.updated_at)
        .limit(bindparam("limit"))
    )
)
"""The unfinished issues without an owner, including hidden ones."""
