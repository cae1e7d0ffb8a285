"""Issues whose names look alike."""

from sqlalchemy import ColumnElement, Connection, exists, select

from issue_tracker.actor import Actor
from issue_tracker.database.prepared import among, numbers
from issue_tracker.database.tables import assignments
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import find_issue_head_by_id
from issue_tracker.new_names import Kind, find_look_alikes


def names_like(tx: Connection, actor: Actor, issue: IssueHead) -> list[str]:
    """Returns the names of a few other visible issues that look like this issue's name."""
    access = actor.company_access
    if access.company_ids is None:
        ids = find_look_alikes(tx, Kind.ISSUE, issue.name, other_than=issue.issue_id)
    else:
        listed = numbers(tx, sorted(access.company_ids))

        def visible(issue_id: ColumnElement[int]) -> ColumnElement[bool]:
            seen = among(assignments.c.company_id, "access", tx.dialect.name)
            return exists(select(1).where(assignments.c.issue_id == issue_id, seen))

        ids = find_look_alikes(tx, Kind.ISSUE, issue.name, other_than=issue.issue_id, visible=visible, access=listed)
    heads = [find_issue_head_by_id(tx, actor, issue_id) for issue_id in ids]
    return [head.name for head in heads if head is not None]
