"""The matrix: issues × companies, with a status in each cell, from one pass over the assignments."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select

from issue_tracker.actor import Actor
from issue_tracker.companies.queries import Company, get_companies_by_id
from issue_tracker.database.tables import issues
from issue_tracker.issues.queries.issue_list import IssueList, Row
from issue_tracker.names import key
from issue_tracker.status import OPEN

_OPEN = frozenset(status.value for status in OPEN)


class MatrixRow(msgspec.Struct, frozen=True):
    """An issue with the stored status of each affected company, by company id."""

    issue_id: int
    name: str
    cells: dict[int, str]


class Matrix(msgspec.Struct, frozen=True):
    """Rows in the order of the list. Columns are companies with a filled cell, those with the most open assignments
    first. There may be more such companies than columns: `companies` counts all of them.
    """

    rows: list[MatrixRow]
    columns: list[Company]
    companies: int


def read_matrix(
    tx: Connection, actor: Actor, issue_list: IssueList, rows: Sequence[Row], most_columns: int | None
) -> Matrix:
    """Returns the matrix of these rows of a list, with at most `most_columns` columns; None means all."""
    cells = issue_list.statuses_by_company(rows)
    open_counts: dict[int, int] = {}
    for of_issue in cells.values():
        for company_id, status in of_issue.items():
            open_counts[company_id] = open_counts.get(company_id, 0) + (status in _OPEN)
    columns = sorted(
        get_companies_by_id(tx, actor, open_counts).values(),
        key=lambda company: (-open_counts[company.company_id], key(company.name), company.company_id),
    )
    query = select(issues.c.issue_id, issues.c.name).where(issues.c.issue_id.in_([row.issue_id for row in rows]))
    names = {row.issue_id: row.name for row in tx.execute(query)}
    filled = [
        MatrixRow(issue_id=row.issue_id, name=names[row.issue_id], cells=cells.get(row.issue_id, {}))
        for row in rows
        if row.issue_id in names
    ]
    return Matrix(rows=filled, columns=columns[:most_columns], companies=len(columns))
