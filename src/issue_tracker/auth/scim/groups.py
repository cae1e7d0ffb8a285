"""The groups that an identity provider has provisioned by SCIM, and their members."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Row, Select, func, select

from issue_tracker.clock import Timestamp, iso
from issue_tracker.database.prepared import one_of
from issue_tracker.database.tables import scim_group_members, scim_groups, users
from issue_tracker.errors import NotFound
from issue_tracker.integers import LARGEST_ID
from issue_tracker.names import key, storable


class Group(msgspec.Struct, frozen=True):
    """A group as defined by the provider. `external_id` is its id there, or None if the provider did not send one."""

    id: int
    name: str
    external_id: str | None
    created_at: Timestamp
    updated_at: Timestamp


class Member(msgspec.Struct, frozen=True):
    """A membership, seen from one side: the id and the name of the user, or of the group."""

    id: int
    name: str


class WantedGroups(msgspec.Struct, frozen=True):
    """The values to search for in the database, or None. Names are compared regardless of case."""

    name: str | None = None
    external_id: str | None = None

    @property
    def texts(self) -> list[str]:
        return [text for text in (self.name, self.external_id) if text is not None]


def list_groups(
    tx: Connection, wanted: WantedGroups | None = None, *, skip: int = 0, most: int | None = None
) -> list[Group]:
    """Returns groups in the order of creation, without the first `skip`, and at most `most`."""
    wanted = wanted or WantedGroups()
    if not all(map(storable, wanted.texts)):
        return []
    query = _groups
    if wanted.name is not None:
        query = query.where(scim_groups.c.name_key == key(wanted.name))
    if wanted.external_id is not None:
        query = query.where(scim_groups.c.external_id == wanted.external_id)
    return [_group(row) for row in tx.execute(query.order_by(scim_groups.c.id).offset(skip).limit(most))]


def count_groups(tx: Connection) -> int:
    """Returns the number of groups."""
    return int(tx.execute(select(func.count()).select_from(scim_groups)).scalar_one())


def get_group(tx: Connection, group_id: int, *, lock: bool = False) -> Group:
    """Returns a group. With `lock`, it is locked until the end of the transaction. Raises NotFound."""
    query = _groups.where(scim_groups.c.id == group_id)
    row = tx.execute(query.with_for_update() if lock else query).first() if group_id <= LARGEST_ID else None
    if row is None:
        raise NotFound("There is no group with this id.")
    return _group(row)


def members_of(tx: Connection, group_ids: Collection[int]) -> dict[int, list[Member]]:
    """Returns the members of the groups, by the id of the group."""
    return _memberships(tx, scim_group_members.c.group_id, group_ids, users.c.user_id, users.c.name)


def count_members(tx: Connection, group_ids: Collection[int]) -> dict[int, int]:
    """Returns the number of members of the groups, by the id of the group."""
    group_id = scim_group_members.c.group_id
    query = select(group_id, func.count()).where(one_of(tx, group_id, group_ids)).group_by(group_id)
    return dict.fromkeys(group_ids, 0) | {row[0]: row[1] for row in tx.execute(query)}


def groups_of(tx: Connection, user_ids: Collection[int]) -> dict[int, list[Member]]:
    """Returns the groups of the users, by the id of the user."""
    return _memberships(tx, scim_group_members.c.user_id, user_ids, scim_groups.c.id, scim_groups.c.name)


def _memberships(
    tx: Connection, side: Column[int], ids: Collection[int], other_id: Column[int], other_name: Column[str]
) -> dict[int, list[Member]]:
    """Returns the other sides of the memberships in which `side` is one of the ids, by this id."""
    found: dict[int, list[Member]] = {one: [] for one in ids}
    joined = scim_group_members.join(users, users.c.user_id == scim_group_members.c.user_id).join(
        scim_groups, scim_groups.c.id == scim_group_members.c.group_id
    )
    query = select(side.label("side"), other_id.label("id"), other_name.label("name")).select_from(joined)
    for row in tx.execute(query.where(one_of(tx, side, found)).order_by(other_id)):
        found[row.side].append(Member(row.id, row.name))
    return found


def names_of_groups(tx: Connection, user_id: int) -> set[str]:
    """Returns the names of a user's groups and their ids at the provider; mappings may use both."""
    joined = scim_groups.join(scim_group_members, scim_group_members.c.group_id == scim_groups.c.id)
    query = select(scim_groups.c.name, scim_groups.c.external_id).select_from(joined)
    rows = tx.execute(query.where(scim_group_members.c.user_id == user_id)).all()
    return {text for row in rows for text in (row.name, row.external_id) if text is not None}


_groups: Select[Any] = select(scim_groups)


def _group(row: Row[Any]) -> Group:
    return Group(row.id, row.name, row.external_id, iso(row.created_at), iso(row.updated_at))
