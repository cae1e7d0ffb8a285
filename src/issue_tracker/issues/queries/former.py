"""Reads of former names and of merged issues."""

from sqlalchemy import Connection, bindparam, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import former_names, merged_issues
from issue_tracker.database.types import Id, Key
from issue_tracker.errors import NotFound
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import find_issue_head, find_issue_head_by_id
from issue_tracker.names import key, printable, storable


def find_issue_by_any_name(tx: Connection, actor: Actor, name: str, *, lock: bool = False) -> IssueHead | None:
    """Returns the issue with this name or, if there is none, the one that had it last; None if there is neither."""
    require_helpdesk(actor)
    found = find_issue_head(tx, actor, name, lock=lock)
    if found is not None or not storable(name):
        return found
    issue_id = _by_name.scalar(tx, name_key=key(name))
    return None if issue_id is None else find_issue_head_by_id(tx, actor, issue_id, lock=lock)


def get_issue_by_any_name(tx: Connection, actor: Actor, name: str) -> IssueHead:
    """Like find_issue_by_any_name, but raises NotFound, which quotes the name."""
    found = find_issue_by_any_name(tx, actor, name)
    if found is None:
        raise NotFound(f"There is no issue called “{printable(name)}”.")
    return found


def find_merged_into(tx: Connection, actor: Actor, issue_id: int) -> int | None:
    """Returns the id of the issue into which this one was merged, if the actor may see it; None otherwise."""
    require_helpdesk(actor)
    into = _merged.scalar(tx, issue_id=issue_id)
    return into if into is not None and find_issue_head_by_id(tx, actor, into) is not None else None


_by_name = Prepared(
    lambda _: select(former_names.c.issue_id).where(former_names.c.name_key == bindparam("name_key", type_=Key))
)
_merged = Prepared(
    lambda _: select(merged_issues.c.into_id).where(merged_issues.c.issue_id == bindparam("issue_id", type_=Id))
)
