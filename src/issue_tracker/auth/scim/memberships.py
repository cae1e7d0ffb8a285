"""Changes to groups by SCIM, and their effect on the members.

A group mapping of the source `scim` gives a group a role and companies (auth/group_mappings), by the name of the group
or by its id at the provider. It is applied to users who join or leave a group, and to the members of a group whose
mapping changes. A user who was never in a group keeps the role that was set in this product.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.auth.group_mappings.applying import apply_groups
from issue_tracker.auth.group_mappings.queries import SCIM
from issue_tracker.auth.scim.errors import Taken
from issue_tracker.auth.scim.groups import Group, get_group, members_of, names_of_groups
from issue_tracker.auth.scim.people import seen_ids
from issue_tracker.clock import now
from issue_tracker.database.engine import created_id
from issue_tracker.database.prepared import one_of
from issue_tracker.database.tables import scim_group_members, scim_groups, users
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.names import Name, key
from issue_tracker.settings import Settings

NAMED = 20
"""Maximum number of members that an event names; the others are counted."""


def create_group(
    tx: Connection, actor: Actor, settings: Settings, name: Name, external_id: str | None, member_ids: Collection[int]
) -> Group:
    """Creates a group with its members. Raises Taken if another group has the name, Invalid for unknown members."""
    require_administrator(actor)
    wanted = _require_people(tx, settings, member_ids)
    at = now()
    values = {"name": name, "name_key": key(name), "external_id": external_id, "created_at": at, "updated_at": at}
    try:
        with tx.begin_nested():
            group_id = created_id(tx.execute(insert(scim_groups).values(values)))
    except IntegrityError:
        raise _taken(name) from None
    _add(tx, group_id, wanted)
    record(tx, actor, [Change(type=EventType.SCIM_GROUP_CREATED, note=_described(tx, name, added=wanted))], at)
    _apply(tx, actor, settings, wanted)
    return get_group(tx, group_id)


def change_group(
    tx: Connection,
    actor: Actor,
    settings: Settings,
    group_id: int,
    name: Name,
    external_id: str | None,
    member_ids: Collection[int],
) -> Group:
    """Changes a group to the desired state. Raises NotFound, and as `create_group` does."""
    require_administrator(actor)
    group = get_group(tx, group_id, lock=True)
    present = {member.id for member in members_of(tx, [group_id])[group_id]}
    wanted = present & set(member_ids) | _require_people(tx, settings, set(member_ids) - present)
    called_otherwise = (name, external_id) != (group.name, group.external_id)
    added, removed = wanted - present, present - wanted
    if not called_otherwise and not added and not removed:
        return group
    at = now()
    values = {"name": name, "name_key": key(name), "external_id": external_id, "updated_at": at}
    try:
        with tx.begin_nested():
            tx.execute(update(scim_groups).where(scim_groups.c.id == group_id).values(values))
    except IntegrityError:
        raise _taken(name) from None
    _add(tx, group_id, added)
    these = one_of(tx, scim_group_members.c.user_id, removed)
    tx.execute(delete(scim_group_members).where(scim_group_members.c.group_id == group_id, these))
    renamed = "" if name == group.name else f"formerly {group.name}"
    note = _described(tx, name, added=added, removed=removed, about=renamed)
    record(tx, actor, [Change(type=EventType.SCIM_GROUP_UPDATED, note=note)], at)
    _apply(tx, actor, settings, present | wanted if called_otherwise else added | removed)
    return get_group(tx, group_id)


def delete_group(tx: Connection, actor: Actor, settings: Settings, group_id: int) -> None:
    """Deletes a group. Its members lose the rights that they had through it. Raises NotFound."""
    require_administrator(actor)
    group = get_group(tx, group_id, lock=True)
    present = {member.id for member in members_of(tx, [group_id])[group_id]}
    tx.execute(delete(scim_groups).where(scim_groups.c.id == group_id))
    note = _described(tx, group.name, removed=present)
    record(tx, actor, [Change(type=EventType.SCIM_GROUP_DELETED, note=note)], now())
    _apply(tx, actor, settings, present)


def apply_to_members(tx: Connection, actor: Actor, settings: Settings, groups: Collection[str]) -> None:
    """Applies the mappings to the members of these groups (by name or id at the provider) after a mapping has changed.

    The actor is excluded, so that super admins do not demote themselves by adding a mapping. The actor's role follows
    the groups when the provider changes them the next time.
    """
    joined = scim_group_members.join(scim_groups, scim_groups.c.id == scim_group_members.c.group_id)
    called = or_(scim_groups.c.name.in_(groups), scim_groups.c.external_id.in_(groups))
    found = set(tx.execute(select(scim_group_members.c.user_id).select_from(joined).where(called)).scalars())
    _apply(tx, actor, settings, found - {actor.user_id})


def _apply(tx: Connection, actor: Actor, settings: Settings, user_ids: Iterable[int]) -> None:
    for user_id in sorted(user_ids):
        apply_groups(tx, actor, settings, user_id, SCIM, names_of_groups(tx, user_id))


def _require_people(tx: Connection, settings: Settings, user_ids: Collection[int]) -> set[int]:
    wanted = set(user_ids)
    unknown = wanted - seen_ids(tx, settings, wanted)
    if unknown:
        raise Invalid.field("members", f"there is no user with the id {min(unknown)}")
    return wanted


def _add(tx: Connection, group_id: int, user_ids: Collection[int]) -> None:
    if user_ids:
        rows = [{"group_id": group_id, "user_id": user_id} for user_id in sorted(user_ids)]
        tx.execute(insert(scim_group_members), rows)


def _described(
    tx: Connection, name: str, *, added: Collection[int] = (), removed: Collection[int] = (), about: str = ""
) -> str:
    """Returns the audit text for a group: its name, and the added and removed members."""
    parts = [about] if about else []
    for what, user_ids in (("added", added), ("removed", removed)):
        if user_ids:
            listed = sorted(user_ids)[:NAMED]
            emails = tx.execute(select(users.c.email).where(users.c.user_id.in_(listed)).order_by(users.c.email_key))
            more = f" and {len(user_ids) - NAMED} more" if len(user_ids) > NAMED else ""
            parts.append(f"{what}: {', '.join(emails.scalars())}{more}")
    return f"{name} ({'; '.join(parts)})" if parts else name


def _taken(name: str) -> Taken:
    return Taken(f"A group called “{name}” already exists.")
