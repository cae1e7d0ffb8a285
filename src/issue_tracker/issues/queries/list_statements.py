"""The statements of a list of issues, each compiled once for its conditions and its order (docs/decisions/0010, 0012).

The cost of a page is the same at a thousand and at a million assignments: filters by company or status, in the order of
names, read the beginning of one index range for each company or status, and merge these; totals come from the counters
(docs/decisions/0011) or from one index range.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    union,
    union_all,
)

from issue_tracker.database.prepared import Prepared, among
from issue_tracker.database.tables import assignment_counters, assignments, companies, issue_counters, issues, users
from issue_tracker.database.tables.issues import is_open
from issue_tracker.issues.models import StoredFields
from issue_tracker.issues.queries import search
from issue_tracker.issues.queries.conditions import Conditions, of_issues, visible_time, written
from issue_tracker.issues.queries.filters import Order
from issue_tracker.issues.queries.paging import in_order, page_of


@lru_cache(maxsize=512)
def rows(
    conditions: Conditions, order: Order, paged: bool, *, limited: bool = False, size: int | None = None
) -> Prepared:
    """Selects id, revision and sort value of the issues that meet the conditions, at most `limit`, in order.

    If `paged`, the issues after the position with the sort value `after` and the id `after_id`. If `limited`, the time
    of the last change is the one that the companies in the list `access` reveal. With a `size`, at most this many on
    PostgreSQL, whatever the `limit`.
    """

    def build(dialect: str) -> Select[Any]:
        name = "name_key" if order.by == "name" else order.by
        by: ColumnElement[Any] = issues.c[name]
        if limited and name == "updated_at":
            by = visible_time(dialect)
            query = select(issues.c.issue_id, issues.c.revision, by.label("at")).where(*written(conditions, dialect))
            if search.indexed in conditions and dialect == "sqlite":
                query = search.from_index(query)
            return page_of(query, by, issues.c.issue_id, order, paged)
        query = select(issues.c.issue_id, issues.c.revision, by).where(*written(conditions, dialect))
        if size is not None and dialect == "postgresql":
            return page_of(query, by, issues.c.issue_id, order, paged).limit(literal_column(str(size)))
        if search.indexed in conditions and dialect == "sqlite":
            # The plus sign prevents SQLite from scanning the index of the order instead of the few matches.
            query, by = search.from_index(query), literal_column(f"+issues.{name}", by.type)
        return page_of(query, by, issues.c.issue_id, order, paged)

    return Prepared(build)


@lru_cache(maxsize=512)
def rows_by_company(companies: int, of_status: Conditions, order: Order, paged: bool) -> Prepared:
    """Selects the rows by name for the given number of companies, in the parameters `company_0` and so on.

    Each company has an index range in which its assignments are in the order of the issues' names.
    """

    return _merged(lambda dialect: _ranges(companies, of_status, dialect), order, paged)


def _ranges(companies: int, of_status: Conditions, dialect: str) -> list[Select[Any]]:
    query, in_status = select(assignments.c.issue_key, assignments.c.issue_id), written(of_status, dialect)
    return [
        query.where(assignments.c.company_id == bindparam(f"company_{number}"), *in_status)
        for number in range(companies)
    ]


@lru_cache(maxsize=512)
def beginnings(companies: int, of_status: Conditions, order: Order, paged: bool) -> Prepared:
    """Selects the first `limit` entries of each of these index ranges, unordered: company number, sort value, id."""

    def build(dialect: str) -> CompoundSelect[Any]:
        columns = assignments.c.issue_key, assignments.c.issue_id
        first = [page_of(one, *columns, order, paged).subquery() for one in _ranges(companies, of_status, dialect)]
        return union_all(
            *(select(literal_column(str(number)), one.c.issue_key, one.c.issue_id) for number, one in enumerate(first))
        )

    return Prepared(build)


revisions = Prepared(
    lambda dialect: select(issues.c.issue_id, issues.c.revision).where(among(issues.c.issue_id, "issues", dialect))
)
"""The revisions of the issues in the list `issues`, unordered."""


@lru_cache(maxsize=512)
def rows_by_status(statuses: int, order: Order, paged: bool) -> Prepared:
    """Selects the rows by name for the statuses in the parameters `status_0` and so on, each of which has a range."""

    def ranges(_dialect: str) -> list[Select[Any]]:
        query = select(assignments.c.issue_key, assignments.c.issue_id).distinct()
        return [query.where(assignments.c.status == bindparam(f"status_{number}")) for number in range(statuses)]

    return _merged(ranges, order, paged)


def _merged(ranges: Callable[[str], list[Select[Any]]], order: Order, paged: bool) -> Prepared:
    """Selects the rows of all ranges together. Of each, only the first `limit` entries are read."""

    def build(dialect: str) -> Select[Any]:
        columns = assignments.c.issue_key, assignments.c.issue_id
        beginnings = [page_of(query, *columns, order, paged).subquery() for query in ranges(dialect)]
        together = union(*(select(one.c.issue_key, one.c.issue_id) for one in beginnings)).subquery()
        # Only the issues of the page are looked up, and not those of all ranges.
        ends = select(together.c.issue_key, together.c.issue_id)
        found = in_order(ends, together.c.issue_key, together.c.issue_id, order).limit(bindparam("limit")).subquery()
        query = select(issues.c.issue_id, issues.c.revision, found.c.issue_key)
        query = query.join(found, found.c.issue_id == issues.c.issue_id)
        return in_order(query, found.c.issue_key, found.c.issue_id, order)

    return Prepared(build)


@lru_cache(maxsize=512)
def count(conditions: Conditions) -> Prepared:
    """Counts the issues that meet the conditions."""

    def build(dialect: str) -> Select[Any]:
        if dialect == "sqlite" and conditions == (search.indexed,):
            return search.count_in_index()
        query = select(func.count()).select_from(issues).where(*written(conditions, dialect))
        if dialect == "sqlite" and search.indexed in conditions:
            query = search.from_index(select(func.count()).where(*written(conditions, dialect)))
        return query

    return Prepared(build)


@lru_cache(maxsize=512)
def count_assigned(conditions: Conditions, *, one_company: bool) -> Prepared:
    """Counts the issues with an assignment that meets the conditions. One company has at most one in each issue."""
    counted = func.count() if one_company else func.count(assignments.c.issue_id.distinct())
    return Prepared(lambda dialect: select(counted).select_from(assignments).where(*written(conditions, dialect)))


def _counted(*conditions: ColumnElement[bool]) -> Prepared:
    return Prepared(lambda _: select(func.coalesce(func.sum(issue_counters.c.issues), 0)).where(*conditions))


count_all = _counted()
"""The number of issues."""

count_by_status = _counted(issue_counters.c.statuses.bitwise_and(bindparam("mask")) != 0)
"""The number of issues that have an assignment in one of the statuses of the bits `mask`."""

count_without_status = _counted(issue_counters.c.statuses == 0)
"""The number of issues without assignments."""


@lru_cache(maxsize=512)
def status_counts(of_issue: Conditions, of_assignment: Conditions) -> Prepared:
    """Counts the assignments that meet the conditions, in issues that meet theirs, by status."""

    def build(dialect: str) -> Select[Any]:
        query = select(assignments.c.status, func.count()).group_by(assignments.c.status)
        query = query.where(*written(of_assignment, dialect))
        if not of_issue:
            return query
        found = select(issues.c.issue_id).where(*written(of_issue, dialect))
        if dialect == "sqlite" and search.indexed in of_issue:
            found = search.from_index(found)
        return query.where(assignments.c.issue_id.in_(found))

    return Prepared(build)


status_counts_of_all = Prepared(
    lambda _: select(assignment_counters.c.status, func.sum(assignment_counters.c.assignments)).group_by(
        assignment_counters.c.status
    )
)
"""The number of assignments with each status that occurs, or has occurred: a count may be 0."""


def _heads(limited: bool) -> Prepared:
    names = "issue_id", "name", "description", "created_at", *StoredFields.__struct_fields__
    columns = [issues.c[name] for name in names]

    def build(dialect: str) -> Select[Any]:
        changed = visible_time(dialect).label("updated_at") if limited else issues.c.updated_at
        query = select(changed, users.c.name.label("owner_name"), *columns)
        owned = issues.outerjoin(users, users.c.user_id == issues.c.owner_id)
        return query.select_from(owned).where(among(issues.c.issue_id, "issues", dialect))

    return Prepared(build)


heads = _heads(False)
"""The columns of the issues in the list `issues`, unordered."""

limited_heads = _heads(True)
"""The same, with the time of the last change that the companies in the list `access` reveal."""


@lru_cache(maxsize=64)
def members(conditions: Conditions) -> Prepared:
    """Selects the assignments that meet the conditions in the issues of the list `issues`, by issue and company
    name.
    """
    return Prepared(lambda dialect: _select_members(conditions, dialect))


def _select_members(conditions: Conditions, dialect: str) -> Select[Any]:
    return (
        select(
            assignments.c.issue_id,
            assignments.c.assignment_id,
            assignments.c.company_id,
            companies.c.name.label("company_name"),
            assignments.c.status,
            assignments.c.updated_at,
        )
        .join(companies, companies.c.company_id == assignments.c.company_id)
        .where(of_issues(dialect), *written(conditions, dialect))
        .order_by(assignments.c.issue_id, companies.c.name_key, assignments.c.assignment_id)
    )


@lru_cache(maxsize=64)
def detailed_members(conditions: Conditions) -> Prepared:
    """Like `members`, with the columns for `include=details`, and the start of the status."""

    def build(dialect: str) -> Select[Any]:
        a = assignments.c
        columns = a.affected_since, a.owner_id, users.c.name.label("owner_name"), a.refs, a.status_since
        query = _select_members(conditions, dialect).add_columns(*columns)
        return query.join(users, users.c.user_id == assignments.c.owner_id, isouter=True)

    return Prepared(build)


UNMOVED_MARK = "!"
"""The mark that `packed_members` appends to the status of an unmoved assignment."""


@lru_cache(maxsize=64)
def packed_members(conditions: Conditions) -> Prepared:
    """The same assignments as one JSON object for each issue: from company id to status, followed by `UNMOVED_MARK` if
    it is open and has not changed since the time `before`. With the id and the name of the issue, and as `unmarked`,
    the earliest time since which an open one without the mark has not changed, or null.

    A row for each assignment would take four times as long to read.
    """

    def build(dialect: str) -> Select[Any]:
        since = func.coalesce(assignments.c.status_since, assignments.c.updated_at)
        before = bindparam("before", type_=assignments.c.updated_at.type)
        unmoved = and_(since < before, is_open)
        marked = case((unmoved, assignments.c.status.concat(literal(UNMOVED_MARK))), else_=assignments.c.status)
        packed: ColumnElement[Any] = func.json_group_object(assignments.c.company_id, marked)
        if dialect == "postgresql":
            packed = cast(func.json_object_agg(assignments.c.company_id, marked), Text)
        return (
            select(
                assignments.c.issue_id,
                select(issues.c.name).where(issues.c.issue_id == assignments.c.issue_id).scalar_subquery(),
                packed.label("statuses"),
                func.min(case((and_(since >= before, is_open), since))).label("unmarked"),
            )
            .where(of_issues(dialect), *written(conditions, dialect))
            .group_by(assignments.c.issue_id)
        )

    return Prepared(build)
