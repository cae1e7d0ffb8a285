"""Converts rows of `list_statements`, whose attributes are the selected columns, to issues and assignments."""

from typing import Any

from issue_tracker.database.prepared import iso
from issue_tracker.issues.models import (
    SEVERITIES,
    Assignment,
    DetailedAssignment,
    Issue,
    Owner,
    ShownAssignment,
    read_references,
    read_tags,
)
from issue_tracker.status import LABELS, STATUSES


def assignment(row: Any) -> Assignment:
    """Returns an assignment from a row of `members`."""
    at, status = iso(row.updated_at), STATUSES[row.status]
    return Assignment(
        assignment_id=row.assignment_id,
        issue_id=row.issue_id,
        company_id=row.company_id,
        company_name=row.company_name,
        status=status,
        status_label=LABELS[status],
        updated_at=at,
        updated_at_iso=at,
    )


def detailed_assignment(row: Any) -> DetailedAssignment:
    """Returns an assignment with details from a row of `detailed_members`."""
    return DetailedAssignment(**_details(row))


def shown_assignment(row: Any) -> ShownAssignment:
    """Returns an assignment for pages from a row of `detailed_members`."""
    return ShownAssignment(
        **_details(row), status_since=iso(row.updated_at if row.status_since is None else row.status_since)
    )


def _details(row: Any) -> dict[str, Any]:
    at, status = iso(row.updated_at), STATUSES[row.status]
    return {
        "assignment_id": row.assignment_id,
        "issue_id": row.issue_id,
        "company_id": row.company_id,
        "company_name": row.company_name,
        "status": status,
        "status_label": LABELS[status],
        "updated_at": at,
        "updated_at_iso": at,
        "affected_since": None if row.affected_since is None else iso(row.affected_since),
        "owner": None if row.owner_id is None else Owner(row.owner_id, row.owner_name),
        "references": read_references(row.refs),
    }


def issue(row: Any, members: list[Any], kind: type[Issue]) -> Issue:
    """Returns an issue from a row of `heads`; `kind` must fit its members."""
    created, updated = iso(row.created_at), iso(row.updated_at)
    return kind(
        issue_id=row.issue_id,
        name=row.name,
        description=row.description,
        severity=SEVERITIES[row.severity],
        owner=None if row.owner_id is None else Owner(row.owner_id, row.owner_name),
        next_update_at=None if row.next_update_at is None else iso(row.next_update_at),
        tags=read_tags(row.tags),
        references=read_references(row.refs),
        external_key=row.external_key,
        created_at=created,
        created_at_iso=created,
        updated_at=updated,
        updated_at_iso=updated,
        assignments=members,
    )
