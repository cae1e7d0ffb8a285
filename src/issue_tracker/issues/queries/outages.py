"""Reads the longest current outages."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.company_access.queries import access_values, of_visible_company
from issue_tracker.database.prepared import instant
from issue_tracker.database.tables import assignments, companies, issues

READ = 200
"""Maximum number of assignments to read; several may belong to one issue."""


class Outage(msgspec.Struct, frozen=True):
    """An issue that currently affects companies: the start of its longest outage (UTC), and the affected companies."""

    issue_id: int
    issue_name: str
    since: datetime
    company_names: list[str]


def list_longest_outages(tx: Connection, actor: Actor, *, limit: int) -> list[Outage]:
    """Returns at most `limit` issues, the longest outage first; the companies of an issue are in the same order.

    Raises Forbidden without helpdesk access.
    """
    require_helpdesk(actor)
    columns = assignments.c.issue_id, issues.c.name, assignments.c.affected_since, companies.c.name.label("company")
    query = (
        select(*columns)
        .join(issues, issues.c.issue_id == assignments.c.issue_id)
        .join(companies, companies.c.company_id == assignments.c.company_id)
        .where(assignments.c.affected_since.is_not(None))
        .order_by(assignments.c.affected_since, assignments.c.assignment_id)
        .limit(READ)
    )
    if not actor.company_access.all:
        query = query.where(of_visible_company(assignments.c.company_id, tx.dialect.name))
    found: dict[int, Outage] = {}
    for row in tx.execute(query, access_values(tx, actor.company_access)):
        if row.issue_id in found:
            found[row.issue_id].company_names.append(row.company)
        elif len(found) < limit:
            found[row.issue_id] = Outage(row.issue_id, row.name, instant(row.affected_since), [row.company])
    return list(found.values())
