"""The conditions under which an actor with limited company access may know a former name: it is a name that a visible
issue itself had, or one of an issue that was merged into it and had a visible company.
"""

from sqlalchemy import ColumnElement, exists, or_

from issue_tracker.company_access.queries import of_visible_company
from issue_tracker.database.tables import former_names, merged_companies


def is_known(dialect: str) -> ColumnElement[bool]:
    """The condition that the companies of the parameter `access` let an actor know a former name, if they let it see
    the issue.
    """
    return or_(former_names.c.origin_id == former_names.c.issue_id, is_of_merged(former_names.c.origin_id, dialect))


def is_of_merged(issue_id: ColumnElement[int], dialect: str) -> ColumnElement[bool]:
    """The condition that one of the companies that a merged issue had is in the parameter `access`."""
    visible = of_visible_company(merged_companies.c.company_id, dialect)
    return exists().where(merged_companies.c.issue_id == issue_id, visible)
