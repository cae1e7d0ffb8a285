"""The results of reads: an issue with its assignments, in the shape of the specification."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from issue_tracker.clock import Timestamp, now
from issue_tracker.status import Status


class Severity(StrEnum):
    """The severity of a fault, from the lowest to the highest. An issue may have none."""

    # Contract, section 13.
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def label(self) -> str:
        """The word for it on pages."""
        return self.value.capitalize()


class Owner(msgspec.Struct, frozen=True):
    """The technician who takes care of an issue, or of one company in it."""

    user_id: int
    name: str


class Reference(msgspec.Struct, frozen=True):
    """The name of an issue or an assignment in another system, such as the key of a ticket."""

    system: str
    key: str
    url: str | None


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


class DetailedAssignment(Assignment, frozen=True):
    """An assignment with `include=details`. `affected_since` is the start of the current outage: since when it has been
    open without a break; null if it is not open.
    """

    affected_since: Timestamp | None
    owner: Owner | None
    references: list[Reference]


class ShownAssignment(DetailedAssignment, frozen=True):
    """An assignment as shown on pages: also since when it has had its status, which an undo restores."""

    status_since: Timestamp


class NamedAssignment(Assignment, frozen=True):
    """An assignment with the name of its issue: the response to a change of status."""

    issue_name: str


class Issue(msgspec.Struct, frozen=True):
    """A fault with the companies that it affects, or with those of them that match a filter."""

    issue_id: int
    name: str
    description: str | None
    severity: Severity | None
    owner: Owner | None
    next_update_at: Timestamp | None
    tags: list[str]
    references: list[Reference]
    external_key: str | None
    created_at: Timestamp
    created_at_iso: Timestamp
    updated_at: Timestamp
    updated_at_iso: Timestamp
    assignments: list[Assignment]


class DetailedIssue(Issue, frozen=True):
    """An issue with `include=details`."""

    assignments: list[DetailedAssignment]  # type: ignore[assignment]  # a frozen list is only read


class StoredFields(msgspec.Struct, frozen=True):
    """The fields of issues/fields.py in their stored form; `next_update_at` is in UTC."""

    severity: str | None = None
    owner_id: int | None = None
    next_update_at: datetime | None = None
    tags: str | None = None
    refs: str | None = None
    external_key: str | None = None


class IssueHead(msgspec.Struct, frozen=True):
    """The columns of an issue without its assignments, for operations. `updated_at` is in UTC.

    `revision` grows with every change to the issue, to its assignments, or to the name of an assigned company.
    """

    issue_id: int
    name: str
    description: str | None
    fields: StoredFields
    revision: int
    updated_at: datetime

    def time_of_change(self) -> datetime:
        """Returns the time for a change made now. It is never before the last change, even if the clock was set back.

        Otherwise, a client that polls with `updatedSince` would miss the change.
        """
        at = now()
        return at if at >= self.updated_at else self.updated_at + timedelta(microseconds=1)


_decode_tags = msgspec.json.Decoder(list[str]).decode
_decode_references = msgspec.json.Decoder(list[Reference]).decode


def read_tags(stored: str | None) -> list[str]:
    """Returns the tags in a column."""
    return _decode_tags(stored) if stored else []


def read_references(stored: str | None) -> list[Reference]:
    """Returns the references in a column."""
    return _decode_references(stored) if stored else []


SEVERITIES: dict[str | None, Severity | None] = {None: None, **{severity.value: severity for severity in Severity}}
"""Severities by their stored value. A look-up here costs a fraction of calling `Severity`."""


def named_assignment(
    *,
    assignment_id: int,
    issue_id: int,
    issue_name: str,
    company_id: int,
    company_name: str,
    status: Status,
    at: Timestamp,
) -> NamedAssignment:
    """Returns an assignment that was last changed `at` a time (in the form of `clock.iso`), with derived fields."""
    return NamedAssignment(
        assignment_id=assignment_id,
        issue_id=issue_id,
        company_id=company_id,
        company_name=company_name,
        status=status,
        status_label=status.label,
        updated_at=at,
        updated_at_iso=at,
        issue_name=issue_name,
    )
