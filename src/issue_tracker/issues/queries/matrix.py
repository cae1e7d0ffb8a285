"""The matrix: issues × companies, with a status in each cell, from one pass over the assignments."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from sys import intern
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, func, select

from issue_tracker.actor import Actor, CompanyAccess
from issue_tracker.companies.groups.queries import GroupMembers, list_group_members
from issue_tracker.companies.queries import Company, get_companies_by_id
from issue_tracker.database.prepared import among, instant, numbers
from issue_tracker.database.tables import assignments
from issue_tracker.issues.queries.filters import Row
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.queries.list_statements import UNMOVED_MARK
from issue_tracker.names import key
from issue_tracker.status import OPEN

ColumnOrder = Literal["-open_count", "updated_at", "name"]
"""The order of the columns: most open assignments first, the longest unchanged open assignment first, or by name."""

COUNTED = frozenset(status.value + mark for status in OPEN for mark in ("", UNMOVED_MARK))
"""The contents of cells with an open assignment."""

NEVER = datetime.max.replace(tzinfo=UTC)

_unpack = msgspec.json.Decoder(dict[int, str]).decode


class MatrixRow(msgspec.Struct, frozen=True):
    """An issue with the stored status of each affected company, by company id. `UNMOVED_MARK` follows the status of an
    unmoved assignment. `open` contains the companies with an open one.

    The marks are those of every `marked_before` (see `read_rows`) from `marked_from` to `marked_until`.
    """

    issue_id: int
    name: str
    cells: dict[int, str]
    open: tuple[int, ...]
    marked_from: datetime
    marked_until: datetime


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

    rows: Sequence[MatrixRow]
    columns: list[Column]
    companies: int
    grouped: bool


def read_rows(issue_list: IssueList, rows: Sequence[Row], marked_before: datetime) -> list[MatrixRow]:
    """Returns these rows of a list with their cells. Omits issues without cells.

    An open assignment whose status has not changed since `marked_before` is marked.
    """
    found: dict[int, MatrixRow] = {}
    for issue_id, name, packed, unmarked in issue_list.packed_statuses([row.issue_id for row in rows], marked_before):
        # Interned, because the decoder makes a new text for each cell.
        cells = {company_id: intern(status) for company_id, status in _unpack(packed).items()}
        found[issue_id] = MatrixRow(
            issue_id=issue_id,
            name=name,
            cells=cells,
            open=tuple(company_id for company_id, status in cells.items() if status in COUNTED),
            marked_from=marked_before,
            marked_until=NEVER if unmarked is None else instant(unmarked),
        )
    return [found[row.issue_id] for row in rows if row.issue_id in found]


def read_matrix(
    tx: Connection,
    actor: Actor,
    issue_list: IssueList,
    rows: Sequence[MatrixRow],
    most_columns: int | None,
    *,
    order: ColumnOrder = "-open_count",
    unfolded: Collection[int] | None = None,
) -> Matrix:
    """Returns the matrix of these rows of a list, with at most `most_columns` columns; None means all.

    Unless `unfolded` is None, companies are shown in their groups, of which those with these ids are unfolded. A group
    counts all its companies; a company in several unfolded groups has a column only after the first of them.
    """
    counts = dict.fromkeys(set().union(*(row.cells for row in rows)), 0)
    counts |= Counter(chain.from_iterable(row.open for row in rows))
    found = get_companies_by_id(tx, actor, counts)
    groups = [(group, ids) for group in list_group_members(tx, actor) if (ids := group.company_ids & found.keys())]
    ages = _unchanged_since(tx, actor.company_access, issue_list, rows, found) if order == "updated_at" else {}
    columns = _columns(found, counts, groups if unfolded is not None else [], unfolded or (), _sort_key(order, ages))
    return Matrix(rows=rows, columns=columns[:most_columns], companies=len(found), grouped=bool(groups))


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
    tx: Connection,
    access: CompanyAccess,
    issue_list: IssueList,
    rows: Sequence[MatrixRow],
    company_ids: Collection[int],
) -> dict[int, datetime]:
    """Returns, by company, the earliest time since which one of its open assignments in these rows has its status.

    Hidden companies are omitted.
    """
    a, chosen = assignments.c, issue_list.filters.statuses
    statuses = [status for status in OPEN if chosen is None or status in chosen]
    visible = [company_id for company_id in company_ids if access.allows(company_id)]
    query = (
        select(a.company_id, func.min(func.coalesce(a.status_since, a.updated_at)))
        .where(
            among(a.issue_id, "issues", tx.dialect.name),
            among(a.company_id, "companies", tx.dialect.name),
            a.status.in_(statuses),
        )
        .group_by(a.company_id)
    )
    values = {"issues": numbers(tx, [row.issue_id for row in rows]), "companies": numbers(tx, visible)}
    return {row[0]: row[1] for row in tx.execute(query, values)}
