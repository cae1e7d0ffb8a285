"""The visibility of events under a company access: the condition that all reads of the event log share."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, exists, func, not_, or_

from issue_tracker.actor import CompanyAccess
from issue_tracker.database.prepared import among, numbers
from issue_tracker.database.tables import assignments, events, merged_companies, update_companies
from issue_tracker.events.catalog import EventType

Visible = Callable[[Column[Any]], ColumnElement[bool]]
"""Turns a column into the condition that it contains the id of a visible company."""


def visible_to(tx: Connection, access: CompanyAccess) -> list[ColumnElement[bool]]:
    """Returns the conditions under which an event is visible under an access; none for all companies.

    An event about a company is visible if the company is. An event about an issue as a whole is visible if at least
    one company of the issue is; the deletion of an issue if one was. An event about an update for several companies is
    visible if one of these is; the event of a merge if one of the companies that the merged issue had is, because the
    event contains the name of that issue. Audit events about no company are not visible, because they name hidden
    companies and users who may see them.
    """
    if access.company_ids is None:
        return []
    listed = numbers(tx, sorted(access.company_ids))

    def visible(company_id: ColumnElement[int]) -> ColumnElement[bool]:
        return among(company_id, "access", tx.dialect.name, listed)

    return [or_(visible(events.c.company_id), and_(*about_visible_issue(visible)))]


def about_visible_issue(visible: Visible) -> list[ColumnElement[bool]]:
    """Returns the conditions that an event concerns an issue as a whole, or an update, with a visible company."""
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
    return [
        events.c.company_id.is_(None),
        events.c.audit.is_(False),
        or_(assigned, deleted),
        addressed,
        names_nothing_hidden(visible),
    ]


def names_nothing_hidden(visible: Visible) -> ColumnElement[bool]:
    """Returns the condition that an event is not about a merge with an issue of hidden companies only, whose name the
    event contains.
    """
    # The event that the merged issue was deleted belongs to the same transaction.
    merged = events.alias()
    of_merged = exists().where(
        merged.c.request_id == events.c.request_id,
        merged.c.at == events.c.at,
        merged.c.type == EventType.ISSUE_DELETED.value,
        merged_companies.c.issue_id == merged.c.issue_id,
        visible(merged_companies.c.company_id),
    )
    return or_(func.coalesce(events.c.field, "") != "merged", of_merged)
