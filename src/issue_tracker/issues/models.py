"""What reads return: an issue with its assignments, as the specification shows them."""

from datetime import datetime

import msgspec

from issue_tracker.clock import Timestamp, iso
from issue_tracker.status import Status


class Assignment(msgspec.Struct, frozen=True):
    """A company's own status in an issue: exactly the eight fields of the specification."""

    assignment_id: int
    issue_id: int
    company_id: int
    company_name: str
    status: Status
    status_label: str
    updated_at: Timestamp
    updated_at_iso: Timestamp


class NamedAssignment(Assignment, frozen=True):
    """An assignment with its issue's name: the answer to a status update."""

    issue_name: str


class Issue(msgspec.Struct, frozen=True):
    """A fault, with the companies that it affects (or those of them that a filter asked for)."""

    issue_id: int
    name: str
    description: str | None
    created_at: Timestamp
    created_at_iso: Timestamp
    updated_at: Timestamp
    updated_at_iso: Timestamp
    assignments: list[Assignment]


class IssueHead(msgspec.Struct, frozen=True):
    """An issue's own row, for operations: without its assignments."""

    issue_id: int
    name: str
    description: str | None
    revision: int
    updated_at: datetime


def assignment(
    assignment_id: int, issue_id: int, company_id: int, company_name: str, status: str, updated_at: datetime
) -> Assignment:
    """An assignment from its columns; `updated_at` is its own, in UTC."""
    state, at = Status(status), iso(updated_at)
    return Assignment(assignment_id, issue_id, company_id, company_name, state, state.label, at, at)
