"""Reads of the fields of assignments besides the status."""

import msgspec
from sqlalchemy import Connection, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.tables import assignments


class AssignmentFields(msgspec.Struct, frozen=True):
    """The fields of an assignment in their stored form."""

    assignment_id: int
    owner_id: int | None
    refs: str | None


def list_assignment_fields(tx: Connection, actor: Actor, issue_id: int) -> dict[int, AssignmentFields]:
    """Returns the fields of an issue's visible assignments, by company id."""
    require_helpdesk(actor)
    columns = assignments.c.company_id, assignments.c.assignment_id, assignments.c.owner_id, assignments.c.refs
    return {
        row.company_id: AssignmentFields(row.assignment_id, row.owner_id, row.refs)
        for row in tx.execute(select(*columns).where(assignments.c.issue_id == issue_id))
        if actor.company_access.allows(row.company_id)
    }
