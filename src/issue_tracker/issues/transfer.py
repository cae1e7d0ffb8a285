"""Issues as CSV (RFC 4180), written and read. An issue without assignments has a row, too."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection

from issue_tracker import csv_files
from issue_tracker.actor import Actor
from issue_tracker.companies.queries import Company, lock_for_assignment
from issue_tracker.csv_files import BadRow, defuse, restore
from issue_tracker.database.before_commit import savepoint
from issue_tracker.errors import AppError
from issue_tracker.issues import csv_fields
from issue_tracker.issues.assignments import NewAssignment, why_archived
from issue_tracker.issues.fields import WrittenFields
from issue_tracker.issues.models import DetailedAssignment, Issue, IssueHead
from issue_tracker.issues.operations import create_issue, resolved_fields, update_issue
from issue_tracker.issues.queries.former import lock_issues
from issue_tracker.issues.queries.issue import find_issue_head, list_members
from issue_tracker.issues.queries.look_alikes import names_like
from issue_tracker.issues.queries.owners import Emails
from issue_tracker.names import Description, Name, key, parse_description, parse_issue_name, parse_name
from issue_tracker.status import CHOICES, Status

COLUMNS = ("name", "description", "company_name", "status", "created_at", "updated_at")
REQUIRED = ("name",)


def header(*, details: bool = False) -> str:
    """Returns the first line of a file, with its line end; `details` adds the columns of csv_fields.py."""
    return ",".join(COLUMNS + csv_fields.COLUMNS if details else COLUMNS) + "\r\n"


def rows(issues: Iterable[Issue], emails: Emails | None = None) -> str:
    """Returns the lines for these issues, with line ends. If the addresses of owners are given, the issues must be
    DetailedIssues, and the lines have the columns of csv_fields.py too.

    `created_at` is the issue's. `updated_at` is the assignment's, or the issue's if there is no assignment.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    for issue in issues:
        start = (defuse(issue.name), defuse(issue.description or ""))
        more = [] if emails is None else [defuse(cell) for cell in csv_fields.cells_of_issue(issue, emails)]
        for member in issue.assignments:
            company = defuse(member.company_name)
            row = (*start, company, member.status.value, issue.created_at, member.updated_at, *more)
            if emails is not None and isinstance(member, DetailedAssignment):
                row += tuple(defuse(cell) for cell in csv_fields.cells_of_assignment(member, emails))
            writer.writerow(row)
        if not issue.assignments:
            empty = [""] * (len(csv_fields.OF_ASSIGNMENTS) if more else 0)
            writer.writerow((*start, "", "", issue.created_at, issue.updated_at, *more, *empty))
    return out.getvalue()


class ImportRow(msgspec.Struct, frozen=True):
    """A row of a file: an issue, and a company in it unless `company_name` is None."""

    line: int
    name: Name
    description: Description
    company_name: Name | None
    status: Status | None
    fields: WrittenFields = WrittenFields()

    @property
    def values(self) -> dict[str, Any]:
        """What the row says about the issue itself, by column. An empty cell says nothing."""
        found = {"description": self.description or UNSET, **msgspec.structs.asdict(self.fields)}
        return {name: value for name, value in found.items() if value is not UNSET}


class ImportResult(msgspec.Struct):
    """The outcome of an import: numbers of issues and of imported rows, and the rows that were not imported."""

    issues_created: int = 0
    issues_existing: int = 0
    rows: int = 0
    bad: list[BadRow] = msgspec.field(default_factory=list)
    look_alikes: list[tuple[int, str]] = msgspec.field(default_factory=list)
    """Lines of new issues, each with a sentence about an existing name that looks like the new one."""


def read_rows(path: str) -> Iterator[ImportRow | BadRow]:
    """Yields each row of a CSV file. Raises BadFile if it cannot be read as one."""
    for row in csv_files.read(path, columns=COLUMNS + csv_fields.COLUMNS, required=REQUIRED):
        yield row if isinstance(row, BadRow) else _read_row(row.line, row.cells)


def _read_row(line: int, cells: Mapping[str, str]) -> ImportRow | BadRow:
    texts = {name: restore(cell) for name, cell in cells.items()}
    step = "name"
    try:
        name = parse_issue_name(texts["name"])
        step = "description"
        description = parse_description(texts.get("description", ""))
        step = "company_name"
        company = parse_name(texts["company_name"]) if texts.get("company_name", "").strip() else None
        step = ""
        fields = csv_fields.read_fields(texts)
    except ValueError as refused:
        return BadRow(line, f"{step} {refused}".strip())
    status = None
    if texts.get("status", "").strip():
        try:
            status = Status(texts["status"])
        except ValueError:
            return BadRow(line, f"status must be one of {CHOICES}")
        if company is None:
            return BadRow(line, "has a status, but no company_name")
    return ImportRow(line, name, description, company, status, fields)


def lock_all(tx: Connection, actor: Actor, names: Iterable[str], companies: Iterable[Company]) -> None:
    """Locks the companies, and then the existing issues with these names, that a file is about, before it is imported.

    In the order of the file, an import and a merge, an alert or a new name of a company would deadlock.
    """
    lock_for_assignment(tx, actor.company_access, companies)
    lock_issues(tx, actor, (), names)


def import_issue(
    tx: Connection,
    actor: Actor,
    group: Sequence[ImportRow],
    companies: Mapping[str, Company],
    result: ImportResult,
    *,
    notify: bool = False,
) -> None:
    """Imports the rows of one issue: creates it, or adds to the existing one. Adds the outcome to `result`.

    `companies` contains the existing companies that the rows name, by look-up key. Exactly the rows that cannot be
    imported are added to `result.bad`. An issue none of whose rows can be imported is not changed. Webhooks receive
    messages only if `notify` is true (contract, section 8).
    """
    existing = find_issue_head(tx, actor, group[0].name, lock=True)
    reasons = _reasons(tx, actor, existing, group, companies)
    result.bad += [BadRow(row.line, reasons[row.line]) for row in group if row.line in reasons]
    good = [row for row in group if row.line not in reasons]
    if not good:
        return
    first = good[0]
    values: dict[str, Any] = {}
    for row in reversed(good):
        values |= row.values
    description = values.pop("description", Description(""))
    members = [NewAssignment(companies[key(row.company_name)], row.status) for row in good if row.company_name]
    try:
        with savepoint(tx):
            new = first.name if existing is None else None
            fields = resolved_fields(tx, actor, WrittenFields(**values), "name", new, existing)
            if existing is None:
                created = create_issue(tx, actor, first.name, description, members, fields=fields, notify=notify)
                if similar := names_like(tx, actor, created):
                    result.look_alikes.append((first.line, f"“{first.name}” looks like “{similar[0]}”"))
            else:
                change = description or None
                update_issue(tx, actor, existing, description=change, fields=fields, add_members=members, notify=notify)
    except AppError as error:
        # Another transaction took the name after it was looked up, so that no row of this issue can be imported.
        result.bad += [BadRow(row.line, error.detail) for row in good]
        return
    if existing is None:
        result.issues_created += 1
    else:
        result.issues_existing += 1
    result.rows += len(good)


def _reasons(
    tx: Connection,
    actor: Actor,
    existing: IssueHead | None,
    group: Sequence[ImportRow],
    companies: Mapping[str, Company],
) -> dict[int, str]:
    """Returns why some rows cannot be imported, by line: the rules for their companies are those of `assign`, and rows
    of one issue must not contradict each other.
    """
    found = [companies.get(key(row.company_name)) if row.company_name else None for row in group]
    assigned: set[int] = set()
    if existing is not None and any(company and company.archived for company in found):
        assigned = {member.company.company_id for member in list_members(tx, actor, existing.issue_id)}
    reasons: dict[int, str] = {}
    seen: set[str] = set()
    given: dict[str, tuple[int, Any]] = {}
    for row, company in zip(group, found, strict=True):
        if row.company_name is not None:
            if company is None:
                reasons[row.line] = f"there is no company called “{row.company_name}”"
            elif company.archived and company.company_id not in assigned:
                reasons[row.line] = why_archived([company])
            elif key(row.company_name) in seen:
                reasons[row.line] = f"“{row.company_name}” is listed twice for “{row.name}”"
            seen.add(key(row.company_name))
        values = {name: csv_fields.comparable(name, value) for name, value in row.values.items()}
        contradicted = [name for name, value in values.items() if given.get(name, (0, value))[1] != value]
        if row.line not in reasons and contradicted:
            name = contradicted[0]
            reasons[row.line] = f"has another {name} for “{row.name}” than line {given[name][0]}"
        if row.line not in reasons:
            given |= {name: (row.line, value) for name, value in values.items() if name not in given}
    return reasons
