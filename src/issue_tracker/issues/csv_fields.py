"""The columns of a CSV file in addition to those of the contract: the fields of issues and of assignments.

An export contains them with `include=details`. An import sets the fields of issues; it does not set those of
assignments.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.clock import in_utc
from issue_tracker.issues.fields import IssueFields
from issue_tracker.issues.models import DetailedAssignment, Issue, Owner, Reference, Severity
from issue_tracker.issues.queries.owners import find_owner, list_technicians
from issue_tracker.issues.reference_texts import read_references, write_references
from issue_tracker.names import parse_external_key, parse_tag

OF_ISSUES = ("severity", "owner", "next_update_at", "tags", "references", "external_key")
OF_ASSIGNMENTS = ("affected_since", "assignment_owner", "assignment_references")
COLUMNS = OF_ISSUES + OF_ASSIGNMENTS

Emails = Mapping[int, str]
"""E-mail addresses of technicians by user id."""


def emails_of(tx: Connection, actor: Actor) -> Emails:
    """Returns the addresses of the technicians visible to the actor; a file identifies owners by their addresses."""
    return {user.user_id: user.email for user in list_technicians(tx, actor)}


def cells_of_issue(issue: Issue, emails: Emails) -> list[str]:
    """Returns the cells of OF_ISSUES. Each reference is a line `System: key URL`."""
    return [
        issue.severity or "",
        _email(issue.owner, emails),
        issue.next_update_at or "",
        ", ".join(issue.tags),
        write_references(issue.references),
        issue.external_key or "",
    ]


def cells_of_assignment(member: DetailedAssignment, emails: Emails) -> list[str]:
    """Returns the cells of OF_ASSIGNMENTS."""
    return [member.affected_since or "", _email(member.owner, emails), write_references(member.references)]


def _email(owner: Owner | None, emails: Emails) -> str:
    return "" if owner is None else emails.get(owner.user_id, "")


class CsvFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an issue in a row of a file. An empty cell keeps the field. `owner` is an e-mail address."""

    severity: Severity | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    next_update_at: datetime | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    references: list[Reference] | UnsetType = UNSET
    external_key: str | UnsetType = UNSET

    def fields(self, tx: Connection, actor: Actor) -> IssueFields:
        """Returns the fields for the operations. Raises Invalid for an owner who is not an active technician."""
        owner = UNSET if isinstance(self.owner, UnsetType) else find_owner(tx, actor, self.owner)
        values = msgspec.structs.asdict(self) | {"owner": owner}
        return IssueFields(**values)


NONE = CsvFields()


def read_fields(cells: Mapping[str, str]) -> CsvFields:
    """Returns the fields in the cells of a row. Raises ValueError, with the column and the reason."""
    values: dict[str, Any] = {}
    for column, parse in _PARSERS.items():
        text = cells.get(column, "").strip()
        if text:
            try:
                values[column] = parse(text)
            except ValueError as refused:
                raise ValueError(f"{column} {refused}") from None
    return CsvFields(**values)


def _severity(text: str) -> Severity:
    try:
        return Severity(text.lower())
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Severity)}") from None


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("must be an instant with an offset, such as 2025-01-04T10:15:00+00:00")
    return in_utc(at)


def _tags(text: str) -> list[str]:
    return [parse_tag(tag) for tag in text.split(",") if tag.strip()]


_PARSERS: dict[str, Callable[[str], Any]] = {
    "severity": _severity,
    "owner": str,
    "next_update_at": _instant,
    "tags": _tags,
    "references": read_references,
    "external_key": parse_external_key,
}
