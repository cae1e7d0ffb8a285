"""Visits: when a user was last active. The handover begins at the end of the previous visit.

A visit is a series of requests with pauses of less than an hour. It is recorded together with the last use of the
session, at most once a minute.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, case, select

from issue_tracker.database.prepared import instant
from issue_tracker.database.tables import visits
from issue_tracker.database.upserts import upsert

GAP = timedelta(hours=1)
"""A visit ends when the user sends no request for this long."""


def touch_visit(tx: Connection, user_id: int, at: datetime) -> None:
    """Records that the user sent a request at an instant (UTC)."""
    before = case((visits.c.last_at <= at - GAP, visits.c.last_at), else_=visits.c.previous_at)
    row = upsert(tx, visits).values(user_id=user_id, last_at=at)
    tx.execute(
        row.on_conflict_do_update(index_elements=[visits.c.user_id], set_={"previous_at": before, "last_at": at})
    )


def find_last_visit(tx: Connection, user_id: int, at: datetime) -> datetime | None:
    """Returns when (UTC) the visit before the one at an instant ended; None if there was none."""
    row = tx.execute(select(visits.c.last_at, visits.c.previous_at).where(visits.c.user_id == user_id)).first()
    if row is None:
        return None
    found = row.last_at if row.last_at <= at - GAP else row.previous_at
    return None if found is None else instant(found)
