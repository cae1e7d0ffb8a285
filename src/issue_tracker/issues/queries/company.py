"""Reads of the assignments of one company."""

from sqlalchemy import Connection, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.clock import iso
from issue_tracker.database.tables import assignments, companies, issues
from issue_tracker.issues.models import NamedAssignment, named_assignment
from issue_tracker.status import Status


def list_company_assignments(tx: Connection, actor: Actor, company_id: int) -> list[NamedAssignment]:
    """Returns all assignments of a company, by the names of their issues; none for one that the actor may not see."""
    require_helpdesk(actor)
    if not actor.company_access.allows(company_id):
        return []
    query = (
        select(
            assignments.c.assignment_id,
            assignments.c.issue_id,
            issues.c.name.label("issue_name"),
            companies.c.name.label("company_name"),
            assignments.c.status,
            assignments.c.updated_at,
        )
        .join(issues, issues.c.issue_id == assignments.c.issue_id)
        .join(companies, companies.c.company_id == assignments.c.company_id)
        .where(assignments.c.company_id == company_id)
        .order_by(assignments.c.issue_key, assignments.c.issue_id)
    )
    return [
        named_assignment(
            assignment_id=row.assignment_id,
            issue_id=row.issue_id,
            issue_name=row.issue_name,
            company_id=company_id,
            company_name=row.company_name,
            status=Status(row.status),
            at=iso(row.updated_at),
        )
        for row in tx.execute(query)
    ]
