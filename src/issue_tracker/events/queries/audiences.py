"""The companies that updates are for, which decide which webhooks receive the event of an update."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select

from issue_tracker.actor import CompanyAccess
from issue_tracker.database.tables import assignments, companies, update_companies, updates


class Audience(msgspec.Struct, frozen=True):
    """The companies of an update, by id, with their names in order. `for_all`: they are all companies of its issue."""

    companies: dict[int, str]
    for_all: bool


def list_audiences(
    tx: Connection, access: CompanyAccess, update_ids: Sequence[int | None]
) -> dict[int | None, Audience]:
    """Returns the visible companies of these updates, by update. None among the ids is ignored."""
    wanted = sorted({update_id for update_id in update_ids if update_id is not None})
    if not wanted:
        return {}
    these = updates.c.update_id.in_(wanted)
    found = {
        row.update_id: Audience({}, bool(row.for_all))
        for row in tx.execute(select(updates.c.update_id, updates.c.for_all).where(these))
    }
    columns = updates.c.update_id, companies.c.company_id, companies.c.name
    named = select(*columns).join_from(updates, update_companies).join(companies).where(these)
    assigned = (
        select(*columns)
        .join_from(updates, assignments, assignments.c.issue_id == updates.c.issue_id)
        .join(companies, companies.c.company_id == assignments.c.company_id)
        .where(these, updates.c.for_all)
    )
    for query in (named, assigned):
        for row in tx.execute(query.order_by(companies.c.name_key, companies.c.company_id)):
            if access.allows(row.company_id):
                found[row.update_id].companies[row.company_id] = row.name
    return dict(found)
