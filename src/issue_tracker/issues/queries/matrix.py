"""The matrix: issues × companies, with a status in each cell, from one pass over the assignments."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, func, select

from issue_tracker.actor import Actor, CompanyAccess
from issue_tracker.companies.groups.queries import GroupMembers, list_group_members
from issue_tracker.companies.queries import Company, get_companies_by_id
from issue_tracker.database.tables import assignments, issues
from issue_tracker.issues.queries.filters import Row
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.queries.list_statements import UNMOVED_MARK
from issue_tracker.names import key
from issue_tracker.status import OPEN

ColumnOrder = Literal["-open_count", "updated_at", "name"]
"""The order of the columns: most open assignments first, the longest unchanged open assignment first, or by name."""

COUNTED = frozenset(status.value + mark for status in OPEN for mark in ("", UNMOVED_MARK))
"""The contents of cells with an open assignment."""


class MatrixRow(msgspec.Struct, frozen=True):
    """An issue with the stored status of each affected company, by company id. `UNMOVED_MARK` follows the status of an
    unmoved assignment. `open` is the number of open ones.
    """

    issue_id: int
    name: str
    cells: dict[int, str]
    open: int


class Column(msgspec.Struct, frozen=True):
    """A company or, with `group_id`, a company group, of which `company_ids` are affected. `open` is the number of its
    open assignments. An unfolded group is followed by its companies.
    """

    name: str
    open: int
    company_id: int | None = None
    group_id: int | None = None
    company_ids: tuple[int, ...] = ()
    unfolded: bool = False


class Matrix(msgspec.Struct, frozen=True):
    """Rows in the order of the list. Columns are the companies with a filled cell, in a ColumnOrder. `companies` is the
    number of these companies, which may exceed the number of columns. `grouped`: at least one of them is in a company
    group.
    """

    rows: list[MatrixRow]
    columns: list[Column]
    companies: int
    grouped: bool


def read_matrix(
    tx: Connection,
    actor: Actor,
    issue_list: IssueList,
    rows: Sequence[Row],
    most_columns: int | None,
    *,
    marked_before: datetime,
    order: ColumnOrder = "-open_count",
    unfolded: Collection[int] | None = None,
) -> Matrix:
    """Returns the matrix of these rows of a list, with at most `most_columns` columns; None means all.

    An open assignment whose status has not changed since `marked_before` is marked. Unless `unfolded` is None,
    companies are shown in their groups, of which those with these ids are unfolded. A group counts all its companies; a
    company in several unfolded groups has a column only after the first of them.
    """
    cells = issue_list.statuses_by_company(rows, marked_before)
    counts: dict[int, int] = {}
    for of_issue in cells.values():
        for company_id, status in of_issue.items():
            counts[company_id] = counts.get(company_id, 0) + (status in COUNTED)
    found = get_companies_by_id(tx, actor, counts)
    groups = [(group, ids) for group in list_group_members(tx, actor) if (ids := group.company_ids & found.keys())]
    ages = _unchanged_since(tx, actor.company_access, issue_list, rows, found) if order == "updated_at" else {}
    columns = _columns(found, counts, groups if unfolded is not None else [], unfolded or (), _sort_key(order, ages))
    query = select(issues.c.issue_id, issues.c.name).where(issues.c.issue_id.in_([row.issue_id for row in rows]))
    names = {row.issue_id: row.name for row in tx.execute(query)}
    filled = [
        MatrixRow(
            issue_id=row.issue_id,
            name=names[row.issue_id],
            cells=(statuses := cells.get(row.issue_id, {})),
            open=sum(status in COUNTED for status in statuses.values()),
        )
        for row in rows
        if row.issue_id in names
    ]
    return Matrix(rows=filled, columns=columns[:most_columns], companies=len(found), grouped=bool(groups))


def _columns(
    found: Mapping[int, Company],
    counts: Mapping[int, int],
    groups: Sequence[tuple[GroupMembers, Collection[int]]],
    unfolded: Collection[int],
    sort_key: Callable[[Column], Any],
) -> list[Column]:
    """Returns the groups, each followed by its companies if it is unfolded, and then the companies without a group."""
    companies = sorted(
        (Column(name=each.name, open=counts[each.company_id], company_id=each.company_id) for each in found.values()),
        key=sort_key,
    )
    heads = [
        Column(
            name=group.name,
            open=sum(counts[company_id] for company_id in ids),
            group_id=group.group_id,
            company_ids=tuple(sorted(ids)),
            unfolded=group.group_id in unfolded,
        )
        for group, ids in groups
    ]
    columns: list[Column] = []
    placed: set[int | None] = set()
    for head in sorted(heads, key=sort_key):
        columns.append(head)
        if head.unfolded:
            own = [each for each in companies if each.company_id in head.company_ids and each.company_id not in placed]
            columns += own
            placed.update(each.company_id for each in own)
    inside = {company_id for head in heads for company_id in head.company_ids}
    return columns + [each for each in companies if each.company_id not in inside]


def _sort_key(order: ColumnOrder, ages: Mapping[int, datetime]) -> Callable[[Column], Any]:
    """Returns the key by which columns are sorted. Columns with equal values are in the order of their names."""

    def by_name(column: Column) -> tuple[str, int]:
        return key(column.name), column.company_id or column.group_id or 0

    def by_age(column: Column) -> tuple[float, tuple[str, int]]:
        own = (column.company_id,) if column.company_id else column.company_ids
        since = [ages[company_id].timestamp() for company_id in own if company_id in ages]
        return min(since, default=float("inf")), by_name(column)

    if order == "updated_at":
        return by_age
    return by_name if order == "name" else lambda column: (-column.open, by_name(column))


def _unchanged_since(
    tx: Connection, access: CompanyAccess, issue_list: IssueList, rows: Sequence[Row], company_ids: Collection[int]
) -> dict[int, datetime]:
    """Returns, by company, the earliest time since which one of its open assignments in these rows has its status.

    Hidden companies are omitted.
    """
    a, chosen = assignments.c, issue_list.filters.statuses
    statuses = [status for status in OPEN if chosen is None or status in chosen]
    visible = [company_id for company_id in company_ids if access.allows(company_id)]
    query = (
        select(a.company_id, func.min(func.coalesce(a.status_since, a.updated_at)))
        .where(a.issue_id.in_([row.issue_id for row in rows]), a.company_id.in_(visible), a.status.in_(statuses))
        .group_by(a.company_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}
