"""Changing the email address of an account."""

from sqlalchemy import Connection, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, require_administrator, require_fresh_proof
from issue_tracker.auth.user_names import Email
from issue_tracker.auth.users import lock_user
from issue_tracker.clock import now
from issue_tracker.database.tables import users
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.names import key
from issue_tracker.new_names import require_visible


def change_address(tx: Connection, actor: Actor, user_id: int, email: Email) -> None:
    """Changes the address with which a user signs in. Sessions, tokens and linked identities remain valid.

    Raises NotFound; Invalid for an address that another account has; Forbidden unless `actor` is a super admin who sees
    all companies; ConfirmationRequired.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    user = lock_user(tx, user_id)
    if user.email == email:
        return
    require_visible("email", email)
    at = now()
    values = {"email": email, "email_key": key(email), "updated_at": at}
    try:
        with tx.begin_nested():
            tx.execute(update(users).where(users.c.user_id == user_id).values(values))
    except IntegrityError:
        raise Invalid.field("email", f"an account for “{email}” already exists") from None
    note = f"{user.email} (email: {email})"
    record(tx, actor, [Change(type=EventType.USER_UPDATED, note=note)], at)
