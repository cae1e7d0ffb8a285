"""Sessions that end because another one begins, and those that expired long ago."""

from datetime import datetime

from sqlalchemy import Connection, delete, not_, select, update

from issue_tracker.actor import Actor, Role
from issue_tracker.auth.sessions import REMEMBERED, alive_sessions, token_hash
from issue_tracker.clock import SKEW
from issue_tracker.database.pruning import delete_piece
from issue_tracker.database.tables import sessions, users
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.settings import Settings


def end_replaced_session(tx: Connection, token: str, request_id: str, at: datetime) -> None:
    """Ends the session with this token, if it exists, because its browser is about to get another one."""
    query = (
        select(sessions.c.id, users.c.user_id, users.c.name, users.c.role)
        .join(users, users.c.user_id == sessions.c.user_id)
        .where(sessions.c.token_hash == token_hash(token))
    )
    row = tx.execute(query).first()
    if row is None:
        return
    tx.execute(delete(sessions).where(sessions.c.id == row.id))
    actor = Actor(row.user_id, row.name, Role(row.role), "session", request_id)
    record(tx, actor, [Change(type=EventType.SESSION_ENDED, note="replaced by another sign-in")], at)


def end_oldest_sessions(tx: Connection, actor: Actor, *, most: int, at: datetime) -> None:
    """Ends the oldest sessions of the acting user, so that `most` are left."""
    own = select(sessions.c.id).where(sessions.c.user_id == actor.user_id).order_by(sessions.c.id.desc())
    ids = list(tx.execute(own.offset(most)).scalars())
    if ids:
        tx.execute(delete(sessions).where(sessions.c.id.in_(ids)))
        ended = Change(type=EventType.SESSION_ENDED, note="the oldest, of too many")
        record(tx, actor, [ended] * len(ids), at)


def prune_sessions(tx: Connection, settings: Settings, at: datetime) -> int:
    """Deletes a batch of the sessions that expired more than REMEMBERED before an instant.

    Those that were used later than at this instant, because the clock was wrong, are considered used at it, so that
    the idle limit ends them. Returns the number of deleted sessions; 0 if none are left.
    """
    tx.execute(update(sessions).where(sessions.c.used_at > at + SKEW).values(used_at=at))
    ended = not_(alive_sessions(settings, at - REMEMBERED))
    return delete_piece(tx, sessions.c.id, ended)
