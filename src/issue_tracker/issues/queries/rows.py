"""Converts rows of `list_statements`, whose columns are in a fixed order, to issues and assignments."""

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

Row = tuple[Any, ...]


def assignment(row: Row) -> Assignment:
    """Returns an assignment from a row of `members`."""
    issue_id, assignment_id, company_id, company_name, value, updated_at = row
    at, status = iso(updated_at), STATUSES[value]
    return Assignment(
        assignment_id=assignment_id,
        issue_id=issue_id,
        company_id=company_id,
        company_name=company_name,
        status=status,
        status_label=LABELS[status],
        updated_at=at,
        updated_at_iso=at,
    )


def detailed_assignment(row: Row) -> DetailedAssignment:
    """Returns an assignment with details from a row of `detailed_members`."""
    return DetailedAssignment(**_details(row))


def shown_assignment(row: Row) -> ShownAssignment:
    """Returns an assignment for pages from a row of `detailed_members`."""
    return ShownAssignment(**_details(row), status_since=iso(row[5] if row[-1] is None else row[-1]))


def _details(row: Row) -> dict[str, Any]:
    issue_id, assignment_id, company_id, company_name, value, updated_at, since, owner_id, owner, refs, _ = row
    at, status = iso(updated_at), STATUSES[value]
    return {
        "assignment_id": assignment_id,
        "issue_id": issue_id,
        "company_id": company_id,
        "company_name": company_name,
        "status": status,
        "status_label": LABELS[status],
        "updated_at": at,
        "updated_at_iso": at,
        "affected_since": None if since is None else iso(since),
        "owner": None if owner_id is None else Owner(owner_id, owner),
        "references": read_references(refs),
    }


def issue(row: Row, members: list[Any], kind: type[Issue]) -> Issue:
    """Returns an issue from a row of `heads`; `kind` must fit its members."""
    updated_at, owner_name, issue_id, name, description, created_at, severity, owner_id, due, tags, refs, external = row
    created, updated = iso(created_at), iso(updated_at)
    return kind(
        issue_id=issue_id,
        name=name,
        description=description,
        severity=SEVERITIES[severity],
        owner=None if owner_id is None else Owner(owner_id, owner_name),
        next_update_at=None if due is None else iso(due),
        tags=read_tags(tags),
        references=read_references(refs),
        external_key=external,
        created_at=created,
        created_at_iso=created,
        updated_at=updated,
        updated_at_iso=updated,
        assignments=members,
    )
