"""Which events an access reveals: the condition that all reads of the event log share."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, exists, not_, or_

from issue_tracker.actor import CompanyAccess
from issue_tracker.database.tables import assignments, events, update_companies
from issue_tracker.events.catalog import EventType


def visible_to(access: CompanyAccess) -> list[ColumnElement[bool]]:
    """The conditions under which an event is visible to an access; none for all companies.

    An event about a company is visible if the company is. An event about an issue as a whole is visible if at least
    one of the issue's assignments is; the deletion of an issue if one was. An event about an update for several
    companies is visible if one of these is. Audit events about no company are not: they name hidden companies and those
    who see them.
    """
    if access.company_ids is None:
        return []
    ids = sorted(access.company_ids)
    return [or_(events.c.company_id.in_(ids), and_(*about_visible_issue(lambda column: column.in_(ids))))]


def about_visible_issue(visible: Callable[[Column[Any]], ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """The conditions under which an event is about an issue that has a visible company, as a whole or for this one.

    `visible` makes the condition that a column has the id of a visible company.
    """
    assigned = exists().where(assignments.c.issue_id == events.c.issue_id, visible(assignments.c.company_id))
    last, removed = events.alias(), events.alias()
    unassigned_since = exists().where(
        removed.c.issue_id == last.c.issue_id,
        removed.c.company_id == last.c.company_id,
        removed.c.event_id > last.c.event_id,
        removed.c.type == EventType.ASSIGNMENT_DELETED.value,
    )
    was_assigned = exists().where(
        last.c.issue_id == events.c.issue_id,
        visible(last.c.company_id),
        last.c.type != EventType.ASSIGNMENT_DELETED.value,
        not_(unassigned_since),
    )
    deleted = and_(events.c.type == EventType.ISSUE_DELETED.value, was_assigned)
    named = exists().where(update_companies.c.update_id == events.c.update_id)
    addressed = or_(events.c.update_id.is_(None), not_(named), named.where(visible(update_companies.c.company_id)))
    return [events.c.company_id.is_(None), events.c.audit.is_(False), or_(assigned, deleted), addressed]
