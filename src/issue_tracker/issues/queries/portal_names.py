"""Finds issues for a customer by their present names, and by former names that the customer may know.

A former name may contain information that was removed from it, such as the name of another customer. It leads to the
issue only for customers whose company was assigned to the issue under that name.
"""

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from issue_tracker.actor import Actor, require_customer
from issue_tracker.database.tables import assignments, events, former_names, issues, merged_issues
from issue_tracker.errors import NotFound
from issue_tracker.events.catalog import EventType
from issue_tracker.names import key, printable, storable


def own_companies(actor: Actor) -> list[int]:
    """Returns the companies of a customer; none if the access is not limited, which no operation allows."""
    return sorted(actor.company_access.company_ids or ())


def find_portal_issue(tx: Connection, actor: Actor, name: str) -> int:
    """Returns the id of the issue of the customer's companies that has, or last had, this name, regardless of case.

    Raises NotFound, also for an issue of other companies; Forbidden unless the actor is a customer.
    """
    require_customer(actor)
    own = assignments.c.company_id.in_(own_companies(actor))
    of_issue = assignments.c.issue_id == issues.c.issue_id
    query = select(issues.c.issue_id).where(exists().where(of_issue, own))
    issue_id = None
    if storable(name):
        issue_id = tx.execute(query.where(issues.c.name_key == key(name))).scalar_one_or_none()
        if issue_id is None:
            former = former_names.c.name_key == key(name)
            joined = query.join(former_names, former_names.c.issue_id == issues.c.issue_id).where(former)
            issue_id = tx.execute(joined.where(_known_by(actor))).scalar_one_or_none()
    if issue_id is None:
        raise NotFound(f"There is no issue called “{printable(name)}”.")
    return int(issue_id)


def _known_by(actor: Actor) -> ColumnElement[bool]:
    """Returns the condition that a company of the customer was assigned under the former name: an event about it has
    that name, or it was assigned when the issue was renamed. The name of a merged issue may be known only to others.
    """
    own = own_companies(actor)
    became = select(merged_issues.c.issue_id).where(merged_issues.c.into_id == former_names.c.issue_id)
    same = or_(events.c.issue_id == former_names.c.issue_id, events.c.issue_id.in_(became))
    happened = exists().where(
        events.c.issue_key == former_names.c.name_key, events.c.company_id.in_(own), events.c.audit.is_(False), same
    )
    renamed = exists().where(
        events.c.issue_id == former_names.c.issue_id,
        events.c.type == EventType.ISSUE_UPDATED.value,
        events.c.field == "name",
        events.c.from_value == former_names.c.name,
    )
    there = exists().where(
        assignments.c.issue_id == former_names.c.issue_id,
        assignments.c.company_id.in_(own),
        assignments.c.created_at <= former_names.c.since,
    )
    return or_(happened, and_(renamed, there))
