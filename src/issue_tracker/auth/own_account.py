"""Changes that users make to their own accounts."""

from sqlalchemy import Connection, update

from issue_tracker.actor import Actor
from issue_tracker.auth.queries import lock_owned_issues
from issue_tracker.auth.sessions import end_sessions, require_running
from issue_tracker.auth.tokens import revoke_tokens
from issue_tracker.auth.user_names import DisplayName, require_own_look
from issue_tracker.auth.users import User, get_user, lock_user, set_own_password
from issue_tracker.clock import now
from issue_tracker.database.tables import users
from issue_tracker.errors import Forbidden
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.new_names import Kind, remember_new


def lock_self(tx: Connection, actor: Actor) -> User:
    """Returns the account of the actor, locked as by `lock_user`, for a change of its credentials.

    Raises Unauthenticated if the actor's session has ended since it was checked, and Forbidden for an actor without an
    account (command line).
    """
    if actor.user_id is None:
        raise Forbidden("Only a user has an account.")
    user = lock_user(tx, actor.user_id)
    require_running(tx, actor)
    return user


def change_own_password(tx: Connection, actor: Actor, password_hash: str, *, with_tokens: bool = False) -> None:
    """Sets the actor's own password, ends the actor's other sessions, and voids invitations.

    `with_tokens` revokes the actor's tokens, too. Raises what `lock_self` raises.
    """
    user = lock_self(tx, actor)
    set_own_password(tx, user.user_id, password_hash, at := now())
    end_sessions(tx, user.user_id, keep=actor.session_id)
    note = f"{user.email} (password)"
    record(tx, actor, [Change(type=EventType.USER_UPDATED, note=note)], at)
    if with_tokens:
        revoke_tokens(tx, actor, user.user_id)


def rename_self(tx: Connection, actor: Actor, name: DisplayName) -> User:
    """Changes the actor's own display name.

    Raises Invalid for a name that another user has or that imitates one, and what `lock_self` raises.
    """
    user = lock_self(tx, actor)
    if user.name == name:
        return user
    require_own_look(tx, name, user.user_id, shared=False)
    lock_owned_issues(tx, user.user_id)
    remember_new(tx, Kind.USER, user.user_id, name)
    at = now()
    tx.execute(update(users).where(users.c.user_id == user.user_id).values(name=name, updated_at=at))
    record(tx, actor, [Change(type=EventType.USER_UPDATED, note=f"{user.email} (name: {name})")], at)
    return get_user(tx, user.user_id)
