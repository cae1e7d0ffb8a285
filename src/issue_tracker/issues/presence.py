"""Presence: which technicians have the page of an issue open. Pages report it at intervals.

Presence is not part of the history: it records no events, and rows older than PRESENT are ignored.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.prepared import instant
from issue_tracker.database.tables import presence
from issue_tracker.database.upserts import upsert
from issue_tracker.issues.queries.owners import list_technicians

PRESENT = timedelta(seconds=100)
"""A page that has not reported for this long counts as closed."""

REFRESHED = timedelta(seconds=50)
"""A row is renewed after this time; pages report more often, which only reads."""


def must_note(tx: Connection, actor: Actor, issue_id: int, at: datetime) -> bool:
    """Returns whether the row of the actor is absent or has to be renewed."""
    own = presence.c.issue_id == issue_id, presence.c.user_id == actor.user_id
    seen_at = tx.execute(select(presence.c.seen_at).where(*own)).scalar_one_or_none()
    return seen_at is None or instant(seen_at) <= at - REFRESHED


def note_presence(tx: Connection, actor: Actor, issue_id: int, at: datetime) -> None:
    """Records that the actor has the page of an issue open. The issue exists and is visible to them."""
    row = upsert(tx, presence).values(issue_id=issue_id, user_id=actor.user_id, seen_at=at)
    key = [presence.c.issue_id, presence.c.user_id]
    tx.execute(row.on_conflict_do_update(index_elements=key, set_={"seen_at": at}))


def end_presence(tx: Connection, actor: Actor, issue_id: int) -> None:
    """Records that the actor has closed the page of an issue."""
    tx.execute(delete(presence).where(presence.c.issue_id == issue_id, presence.c.user_id == actor.user_id))


def list_present(tx: Connection, actor: Actor, issue_id: int, at: datetime) -> list[str]:
    """Returns the names of the other technicians who have the page of an issue open. The issue must be visible to the
    actor.

    An actor with limited company access is shown only technicians who can see at least one of the same companies.
    Raises Forbidden without helpdesk access.
    """
    require_helpdesk(actor)
    there = presence.c.issue_id == issue_id, presence.c.seen_at > at - PRESENT
    ids = set(tx.execute(select(presence.c.user_id).where(*there)).scalars()) - {actor.user_id}
    return [user.name for user in list_technicians(tx, actor) if user.user_id in ids and user.active] if ids else []


def prune_presence(tx: Connection, at: datetime) -> int:
    """Deletes the rows that are ignored at an instant: few, one for each page that was open in the last hour.

    Returns their number; 0 if none are left.
    """
    return tx.execute(delete(presence).where(presence.c.seen_at <= at - PRESENT)).rowcount
