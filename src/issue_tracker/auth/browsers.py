"""The operation that forgets a browser in which a user has signed in."""

from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.auth.places import forget_device
from issue_tracker.auth.users import get_user
from issue_tracker.clock import now
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record


def forget_browser(tx: Connection, actor: Actor, user_id: int, device_id: str) -> None:
    """Forgets a browser: one of the actor's own, or, for a super admin, any user's. Raises NotFound.

    The caller must have checked that the actor may change the account `user_id`.
    """
    user = get_user(tx, user_id)
    forget_device(tx, user_id, device_id)
    record(tx, actor, [Change(type=EventType.USER_UPDATED, note=f"{user.email} (browser forgotten)")], now())
