"""The issues and companies of a history that still exist and that its reader may see."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from issue_tracker.actor import CompanyAccess
from issue_tracker.company_access.queries import access_values, of_visible_issue
from issue_tracker.database.tables import companies, issues


def list_existing_issues(tx: Connection, access: CompanyAccess, issue_ids: Collection[int | None]) -> set[int]:
    """Returns those of the ids that belong to an existing issue which is visible under the access."""
    ids = [issue_id for issue_id in issue_ids if issue_id is not None]
    query = select(issues.c.issue_id).where(issues.c.issue_id.in_(ids))
    if not access.all:
        query = query.where(of_visible_issue(issues.c.issue_id, tx.dialect.name))
    return set(tx.execute(query, access_values(tx, access)).scalars())


def list_existing_companies(tx: Connection, access: CompanyAccess, company_ids: Collection[int | None]) -> set[int]:
    """Returns those of the ids that belong to an existing company which is visible under the access."""
    ids = [company_id for company_id in company_ids if company_id is not None and access.allows(company_id)]
    return set(tx.execute(select(companies.c.company_id).where(companies.c.company_id.in_(ids))).scalars())
