"""The matrix: issues × companies, a status in each cell. One pass over the assignments, whatever the size."""

from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Text, cast, func, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.prepared import Prepared, numbers
from issue_tracker.database.tables import assignments, companies, issues
from issue_tracker.issues.queries import Filters, chosen
from issue_tracker.issues.statements import which_assignments
from issue_tracker.status import OPEN, Status

_OPEN = frozenset(status.value for status in OPEN)


class Column(msgspec.Struct, frozen=True):
    """A company that has something to show."""

    company_id: int
    name: str


class MatrixRow(msgspec.Struct, frozen=True):
    """An issue: the status of each affected company, by its id."""

    issue_id: int
    name: str
    cells: dict[int, str]


class Matrix(msgspec.Struct, frozen=True):
    """Rows in the order asked for; columns with most open assignments first, `companies` of them in all."""

    rows: list[MatrixRow]
    columns: list[Column]
    companies: int


def read_matrix(
    tx: Connection, actor: Actor, issue_ids: Sequence[int], filters: Filters, most_columns: int | None
) -> Matrix:
    """The matrix of these issues: only companies with something to show, at most `most_columns` of them."""
    require_helpdesk(actor)
    every = filters.statuses is None or len(filters.statuses) == len(Status)
    statement = _cells(None if every else len(filters.statuses or ()), filters.company_ids is not None)
    cells: dict[int, dict[int, str]] = {}
    open_counts: dict[int, int] = {}
    if not filters.impossible:
        for issue_id, packed in statement.all(tx, issues=numbers(tx, issue_ids), **chosen(tx, filters)):
            cells[issue_id] = _unpack(packed)
            for company_id, status in cells[issue_id].items():
                open_counts[company_id] = open_counts.get(company_id, 0) + (status in _OPEN)
    columns = _columns(tx, open_counts)
    names = dict(tx.execute(select(issues.c.issue_id, issues.c.name).where(issues.c.issue_id.in_(issue_ids))).all())
    rows = [
        MatrixRow(issue_id, names[issue_id], cells.get(issue_id, {})) for issue_id in issue_ids if issue_id in names
    ]
    return Matrix(rows, columns[:most_columns], len(columns))


@cache
def _cells(statuses: int | None, companies_chosen: bool) -> Prepared:
    """The companies of each issue with their statuses, as one JSON object: a row for each cell would take four times
    as long to read.
    """

    def build(dialect: str) -> Select[Any]:
        packed: ColumnElement[Any] = func.json_group_object(assignments.c.company_id, assignments.c.status)
        if dialect == "postgresql":
            packed = cast(func.json_object_agg(assignments.c.company_id, assignments.c.status), Text)
        return (
            select(assignments.c.issue_id, packed)
            .where(*which_assignments(dialect, statuses, companies_chosen))
            .group_by(assignments.c.issue_id)
        )

    return Prepared(build)


_unpack = msgspec.json.Decoder(dict[int, str]).decode


def _columns(tx: Connection, open_counts: dict[int, int]) -> list[Column]:
    query = select(companies.c.company_id, companies.c.name, companies.c.name_key)
    if len(open_counts) < 500:
        query = query.where(companies.c.company_id.in_(open_counts))
    found = [row for row in tx.execute(query) if row[0] in open_counts]
    found.sort(key=itemgetter(2, 0))
    found.sort(key=lambda row: -open_counts[row[0]])
    return [Column(company_id, name) for company_id, name, _ in found]
