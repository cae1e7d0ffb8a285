"""The statements behind a list of issues, each written once for its shape and prepared (docs/decisions/0010, 0012).

A shape says which conditions there are; their values are parameters. So that a page costs the same at a thousand and
at a million assignments, company and status filters in name order read the front of one index for each company or
status, and merge; and totals come from the counters or from one index.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    column,
    exists,
    func,
    literal_column,
    select,
    table,
    tuple_,
    union,
)

from issue_tracker.database.prepared import Prepared, among
from issue_tracker.database.tables import assignment_counters, assignments, companies, issue_counters, issues
from issue_tracker.issues.search import Term, matches

MERGED = 8
"""A filter by more companies than this is read like any other condition."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Which conditions a list has. `statuses` and `companies` count the ones allowed; None means any."""

    term: Term = Term.NONE
    statuses: int | None = None
    companies: int | None = None
    since: bool = False
    by: str = "name_key"
    descending: bool = False
    after: bool = False

    @property
    def on_assignments(self) -> bool:
        return self.statuses is not None or self.companies is not None

    @property
    def merged(self) -> bool:
        """Whether the issues can be read off the assignments' indexes, in order."""
        plain = self.term is Term.NONE and not self.since and self.by == "name_key"
        return plain and self.on_assignments and (self.companies or 0) <= MERGED


@lru_cache(maxsize=512)
def rows(shape: Shape) -> Prepared:
    """Number, revision and sort value of the issues, in order, at most `limit` of them."""
    return Prepared(lambda dialect: _merged(shape) if shape.merged else _scanned(shape, dialect))


@lru_cache(maxsize=512)
def count(shape: Shape) -> Prepared:
    """How many issues there are in all."""
    return Prepared(lambda dialect: _count(shape, dialect))


@lru_cache(maxsize=512)
def totals(shape: Shape) -> Prepared:
    """How many assignments there are in each status that occurs, whatever statuses the shape allows."""
    return Prepared(lambda dialect: _totals(shape, dialect))


def _scanned(shape: Shape, dialect: str) -> Select[Any]:
    by: ColumnElement[Any] = issues.c[shape.by]
    query = select(issues.c.issue_id, issues.c.revision, by).where(*_conditions(shape, dialect))
    if shape.term is Term.INDEXED and dialect == "sqlite":
        # The matches first, then their order: SQLite cannot know how few they are.
        query = query.select_from(_search_index.join(issues, issues.c.issue_id == _search_index.c.rowid))
        by = literal_column(f"+issues.{shape.by}", by.type)
    return _page(query, by, issues.c.issue_id, shape)


def _merged(shape: Shape) -> Select[Any]:
    ordered = assignments.c.issue_key, assignments.c.issue_id
    if shape.companies is not None:
        each = [
            select(*ordered).where(assignments.c.company_id == bindparam(f"company_{turn}"), *_status(shape))
            for turn in range(shape.companies)
        ]
    else:
        each = [
            select(*ordered).distinct().where(assignments.c.status == bindparam(f"status_{turn}"))
            for turn in range(shape.statuses or 0)
        ]
    fronts = [_page(query, *ordered, shape).subquery() for query in each]
    found = union(*(select(front.c.issue_key, front.c.issue_id) for front in fronts)).subquery()
    query = select(issues.c.issue_id, issues.c.revision, found.c.issue_key).join(
        found, found.c.issue_id == issues.c.issue_id
    )
    return _order(query, found.c.issue_key, found.c.issue_id, shape).limit(bindparam("limit"))


def _page(query: Select[Any], by: ColumnElement[Any], number: ColumnElement[Any], shape: Shape) -> Select[Any]:
    if shape.after:
        here = tuple_(by, number)
        there = tuple_(bindparam("after", type_=by.type), bindparam("after_id", type_=BigInteger))
        query = query.where(here < there if shape.descending else here > there)
    return _order(query, by, number, shape).limit(bindparam("limit"))


def _order(query: Select[Any], by: ColumnElement[Any], number: ColumnElement[Any], shape: Shape) -> Select[Any]:
    return query.order_by(by.desc(), number.desc()) if shape.descending else query.order_by(by, number)


def _count(shape: Shape, dialect: str) -> Select[Any]:
    if shape.term is Term.NONE and not shape.since and shape.companies is None:
        query = select(func.coalesce(func.sum(issue_counters.c.issues), 0))
        return query if shape.statuses is None else query.where(_has_status(issue_counters.c.statuses))
    if shape.term is Term.NONE and not shape.since:
        counted = func.count() if shape.companies == 1 else func.count(assignments.c.issue_id.distinct())
        return select(counted).select_from(assignments).where(_company(dialect), *_status(shape))
    if shape.term is Term.INDEXED and dialect == "sqlite" and not shape.since and not shape.on_assignments:
        return select(func.count()).select_from(_search_index).where(_match("phrase"))
    query = select(func.count()).select_from(issues)
    if shape.term is Term.INDEXED and dialect == "sqlite":
        query = select(func.count()).select_from(_search_index.join(issues, issues.c.issue_id == _search_index.c.rowid))
    return query.where(*_conditions(shape, dialect))


def _totals(shape: Shape, dialect: str) -> Select[Any]:
    if shape.term is Term.NONE and not shape.since and shape.companies is None:
        counter = assignment_counters.c
        return select(counter.status, func.sum(counter.assignments)).group_by(counter.status)
    query = select(assignments.c.status, func.count()).group_by(assignments.c.status)
    if shape.companies is not None:
        query = query.where(_company(dialect))
    if shape.term is Term.NONE and not shape.since:
        return query
    found = select(issues.c.issue_id)
    if shape.term is Term.INDEXED and dialect == "sqlite":
        found = found.select_from(_search_index.join(issues, issues.c.issue_id == _search_index.c.rowid))
    about_issues = msgspec.structs.replace(shape, statuses=None, companies=None)
    return query.where(assignments.c.issue_id.in_(found.where(*_conditions(about_issues, dialect))))


def _conditions(shape: Shape, dialect: str) -> Iterator[ColumnElement[bool]]:
    if shape.term is Term.INDEXED and dialect == "sqlite":
        yield _match("trigrams")
    if shape.term is not Term.NONE:
        yield matches(dialect)
    if shape.since:
        yield issues.c.updated_at >= bindparam("since", type_=issues.c.updated_at.type)
    if shape.companies is not None:
        yield exists(select(1).where(assignments.c.issue_id == issues.c.issue_id, _company(dialect), *_status(shape)))
    elif shape.statuses is not None:
        yield _has_status(issues.c.statuses)


def _company(dialect: str) -> ColumnElement[bool]:
    return among(assignments.c.company_id, "companies", dialect)


def _status(shape: Shape) -> list[ColumnElement[bool]]:
    if shape.statuses is None:
        return []
    return [assignments.c.status.in_([bindparam(f"status_{turn}") for turn in range(shape.statuses)])]


def _has_status(statuses: ColumnElement[int]) -> ColumnElement[bool]:
    return statuses.bitwise_and(bindparam("mask")) != 0


_search_index = table("issue_search", column("rowid"))


def _match(parameter: str) -> ColumnElement[bool]:
    return literal_column("issue_search").op("MATCH", is_comparison=True)(bindparam(parameter))


def _heads(dialect: str) -> Select[Any]:
    columns = issues.c
    return select(columns.issue_id, columns.name, columns.description, columns.created_at, columns.updated_at).where(
        among(columns.issue_id, "issues", dialect)
    )


heads = Prepared(_heads)
"""The issues' own columns, for a list of numbers, in no order."""


def which_assignments(dialect: str, statuses: int | None, companies_chosen: bool) -> list[ColumnElement[bool]]:
    """Those of a list of issues, in so many statuses (None: any), and of the companies chosen."""
    of_issues = among(assignments.c.issue_id, "issues", dialect)
    return [of_issues, *([_company(dialect)] if companies_chosen else []), *_status(Shape(statuses=statuses))]


@cache
def members(statuses: int | None, chosen: bool) -> Prepared:
    """The assignments of a list of issues, by issue and company name, of the statuses and companies chosen."""

    def build(dialect: str) -> Select[Any]:
        return (
            select(
                assignments.c.issue_id,
                assignments.c.assignment_id,
                assignments.c.company_id,
                companies.c.name,
                assignments.c.status,
                assignments.c.updated_at,
            )
            .join(companies, companies.c.company_id == assignments.c.company_id)
            .where(*which_assignments(dialect, statuses, chosen))
            .order_by(assignments.c.issue_id, companies.c.name_key, assignments.c.assignment_id)
        )

    return Prepared(build)
