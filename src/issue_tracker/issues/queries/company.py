"""Reads of the assignments of one company."""

from sqlalchemy import Connection, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.clock import iso
from issue_tracker.database.tables import assignments, companies, issues, users
from issue_tracker.issues.models import ShownAssignment
from issue_tracker.issues.queries.rows import shown_assignment


def list_company_assignments(tx: Connection, actor: Actor, company_id: int) -> list[tuple[str, ShownAssignment]]:
    """Returns all assignments of a company with the names of their issues, in the order of these names; empty for a
    company that the actor may not see.
    """
    require_helpdesk(actor)
    if not actor.company_access.allows(company_id):
        return []
    a = assignments.c
    query = (
        select(
            issues.c.name.label("issue_name"),
            a.issue_id,
            a.assignment_id,
            a.company_id,
            companies.c.name.label("company_name"),
            a.status,
        )
        .add_columns(
            a.updated_at, a.affected_since, a.owner_id, users.c.name.label("owner_name"), a.refs, a.status_since
        )
        .join(issues, issues.c.issue_id == a.issue_id)
        .join(companies, companies.c.company_id == a.company_id)
        .join(users, users.c.user_id == a.owner_id, isouter=True)
        .where(a.company_id == company_id)
        .order_by(a.issue_key, a.issue_id)
    )
    return [(row.issue_name, shown_assignment(row)) for row in tx.execute(query)]


def list_next_updates(tx: Connection, actor: Actor, company_id: int) -> dict[int, str]:
    """Returns the times of the next updates (in the format of `clock.iso`) by issue, for the issues of a company that
    have such a time; nothing for a company that the actor cannot see.
    """
    require_helpdesk(actor)
    if not actor.company_access.allows(company_id):
        return {}
    query = (
        select(issues.c.issue_id, issues.c.next_update_at)
        .join(assignments, assignments.c.issue_id == issues.c.issue_id)
        .where(assignments.c.company_id == company_id, issues.c.next_update_at.is_not(None))
    )
    return {issue_id: iso(due) for issue_id, due in tx.execute(query)}
