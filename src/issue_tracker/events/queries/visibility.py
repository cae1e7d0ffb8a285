"""Which events an access reveals: the condition that all reads of the event log share."""

from sqlalchemy import ColumnElement, and_, exists, or_

from issue_tracker.actor import CompanyAccess
from issue_tracker.database.tables import assignments, events


def visible_to(access: CompanyAccess) -> list[ColumnElement[bool]]:
    """The conditions under which an event is visible to an access; none for all companies.

    An event about a company is visible if the company is. An event about an issue as a whole is visible if at least
    one of the issue's assignments is. Audit events about no company are left to the rule for audit events.
    """
    if access.company_ids is None:
        return []
    company_ids = sorted(access.company_ids)
    visible_assignment = exists().where(
        assignments.c.issue_id == events.c.issue_id, assignments.c.company_id.in_(company_ids)
    )
    about_no_company = and_(events.c.company_id.is_(None), or_(events.c.audit, visible_assignment))
    return [or_(events.c.company_id.in_(company_ids), about_no_company)]
