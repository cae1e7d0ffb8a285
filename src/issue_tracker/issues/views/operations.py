"""Changes to saved views. The names of a user's views are unique, regardless of case."""

from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.clock import now
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import saved_views, start_views
from issue_tracker.errors import Forbidden, Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.issues.views.queries import SavedView, get_view, read_changed_view
from issue_tracker.names import Name, key
from issue_tracker.new_names import require_visible

MOST = 100
"""Maximum number of views of one user."""

MOST_SHARED = 20
"""Maximum number of views that one user shares: all others see them in their lists."""


def create_view(
    tx: Connection,
    actor: Actor,
    name: Name,
    query: str,
    *,
    shared: bool = False,
    shared_with_limited: bool = False,
    start: bool = False,
) -> SavedView:
    """Saves a view of the actor, who starts with it if `start` says so. `shared_with_limited` has an effect only
    together with `shared`.

    Raises Invalid if the actor already has a view of this name, has MOST views or shares MOST_SHARED, or if the name
    contains an invisible character.
    """
    require_helpdesk(actor)
    require_visible("name", name)
    own = select(func.count()).where(saved_views.c.user_id == actor.user_id)
    if tx.execute(own).scalar_one() >= MOST:
        raise Invalid(f"You already have {MOST} views. Delete one first.")
    if shared:
        _require_room(tx, actor.user_id)
    at = now()
    values = {"user_id": actor.user_id, "name": name, "name_key": key(name), "query": query, "shared": shared}
    values["shared_with_limited"] = shared and shared_with_limited
    try:
        with tx.begin_nested():
            inserted = tx.execute(insert(saved_views).values(**values, created_at=at, updated_at=at))
    except IntegrityError:
        raise _taken(name) from None
    record(tx, actor, [Change(type=EventType.VIEW_CREATED, after=name)], at)
    view_id = created_id(inserted)
    if start:
        _start_with(tx, actor, view_id)
    return read_changed_view(tx, actor, view_id)


def update_view(
    tx: Connection,
    actor: Actor,
    view_id: int,
    *,
    name: Name | None = None,
    query: str | None = None,
    shared: bool | None = None,
    shared_with_limited: bool | None = None,
) -> SavedView:
    """Changes a view, and returns it; None keeps a field as it is. A view that is no longer shared is shared with no
    one.

    Raises NotFound, Forbidden for a view that the actor may not change, and Invalid as create_view does.
    """
    view = _changeable(tx, actor, view_id)
    wanted = {"name": name or view.name, "query": view.query if query is None else query}
    values: dict[str, Any] = {**wanted, "shared": view.shared if shared is None else shared}
    with_limited = view.shared_with_limited if shared_with_limited is None else shared_with_limited
    values["shared_with_limited"] = values["shared"] and with_limited
    if all(getattr(view, field) == value for field, value in values.items()):
        return view
    if wanted["name"] != view.name:
        require_visible("name", wanted["name"])
    if values["shared"] and not view.shared:
        _require_room(tx, view.owner.user_id)
    at = now()
    change = update(saved_views).where(saved_views.c.view_id == view_id)
    try:
        with tx.begin_nested():
            tx.execute(change.values(**values, name_key=key(wanted["name"]), updated_at=at))
    except IntegrityError:
        raise _taken(wanted["name"]) from None
    renamed = None if wanted["name"] == view.name else view.name
    record(tx, actor, [Change(type=EventType.VIEW_UPDATED, before=renamed, after=wanted["name"])], at)
    return read_changed_view(tx, actor, view_id)


def delete_view(tx: Connection, actor: Actor, view_id: int) -> None:
    """Deletes a view; users who started with it start with the open issues again. Raises NotFound and Forbidden."""
    view = _changeable(tx, actor, view_id)
    tx.execute(delete(saved_views).where(saved_views.c.view_id == view_id))
    record(tx, actor, [Change(type=EventType.VIEW_DELETED, after=view.name)], now())


def choose_start_view(tx: Connection, actor: Actor, view_id: int | None) -> None:
    """Sets the view that the actor starts with; None for the open issues. Raises NotFound."""
    require_helpdesk(actor)
    if view_id is not None:
        get_view(tx, actor, view_id)
    _start_with(tx, actor, view_id)


def _start_with(tx: Connection, actor: Actor, view_id: int | None) -> None:
    tx.execute(delete(start_views).where(start_views.c.user_id == actor.user_id))
    if view_id is not None:
        tx.execute(insert(start_views).values(user_id=actor.user_id, view_id=view_id))


def _changeable(tx: Connection, actor: Actor, view_id: int) -> SavedView:
    get_view(tx, actor, view_id)
    # Locked, so that concurrent changes of different fields do not undo each other.
    tx.execute(select(saved_views.c.view_id).where(saved_views.c.view_id == view_id).with_for_update())
    view = get_view(tx, actor, view_id)
    if not view.changeable:
        raise Forbidden("Only the author of a view, and super admins, may change it.")
    return view


def _require_room(tx: Connection, author: int | None) -> None:
    """Raises Invalid if the author already shares MOST_SHARED views."""
    count = select(func.count()).where(saved_views.c.user_id == author, saved_views.c.shared)
    if tx.execute(count).scalar_one() >= MOST_SHARED:
        raise Invalid.field("shared", f"at most {MOST_SHARED} views of one author can be shared")


def _taken(name: str) -> Invalid:
    return Invalid.field("name", f"a view called “{name}” already exists")
