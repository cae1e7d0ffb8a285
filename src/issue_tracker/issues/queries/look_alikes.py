"""Issues whose names look alike."""

from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.company_access.queries import of_visible_issue
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import find_issue_head_by_id
from issue_tracker.new_names import Kind, find_look_alikes


def names_like(tx: Connection, actor: Actor, issue: IssueHead) -> list[str]:
    """Returns the names of a few other visible issues that look like this issue's name."""
    access = actor.company_access
    ids = find_look_alikes(
        tx, Kind.ISSUE, issue.name, other_than=issue.issue_id, access=access, visible=of_visible_issue
    )
    heads = [find_issue_head_by_id(tx, actor, issue_id) for issue_id in ids]
    return [head.name for head in heads if head is not None]
