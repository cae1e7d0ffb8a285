"""Reads of company groups. A group shows the companies that the actor may see.

To an actor with limited company access, a group without visible companies does not exist.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, exists, select

from issue_tracker.actor import Actor, require_administrator, require_helpdesk
from issue_tracker.companies.queries import Company
from issue_tracker.company_access.queries import access_values, of_visible_company
from issue_tracker.database.prepared import Prepared, one_of
from issue_tracker.database.tables import companies, company_group_members, company_groups
from issue_tracker.errors import NotFound
from issue_tracker.integers import LARGEST_ID
from issue_tracker.looks import look_alike_key
from issue_tracker.names import key, printable, storable
from issue_tracker.new_names import REPORTED


class CompanyGroup(msgspec.Struct, frozen=True):
    """A company group; its companies are sorted by name."""

    group_id: int
    name: str
    company_names: list[str]


class GroupMembers(msgspec.Struct, frozen=True):
    """A company group, with the ids of its companies."""

    group_id: int
    name: str
    company_ids: frozenset[int]


def list_groups(tx: Connection, actor: Actor) -> list[CompanyGroup]:
    """Returns all groups in the order of their casefolded names. Raises Forbidden without helpdesk access."""
    require_helpdesk(actor)
    return _loaded(tx, actor, _groups())


def list_group_names(tx: Connection, actor: Actor) -> list[str]:
    """Returns the names of all groups in the order of `list_groups`, without reading all their companies."""
    require_helpdesk(actor)
    access = actor.company_access
    return [name for (name,) in _names(not access.all).all(tx, **access_values(tx, access))]


def list_group_members(tx: Connection, actor: Actor) -> list[GroupMembers]:
    """Returns the groups that contain companies visible to the actor, with the ids of these companies, by name."""
    require_helpdesk(actor)
    query = _groups().add_columns(company_group_members.c.company_id)
    query = query.join(company_group_members, company_group_members.c.group_id == company_groups.c.group_id)
    names: dict[int, str] = {}
    members: dict[int, set[int]] = {}
    for row in tx.execute(query):
        if actor.company_access.allows(row.company_id):
            names[row.group_id] = row.name
            members.setdefault(row.group_id, set()).add(row.company_id)
    return [GroupMembers(group_id, name, frozenset(members[group_id])) for group_id, name in names.items()]


def get_group(tx: Connection, actor: Actor, group_id: int) -> CompanyGroup:
    """Returns the group with this id. Raises NotFound, which names the id."""
    require_helpdesk(actor)
    found = _loaded(tx, actor, _groups().where(company_groups.c.group_id == group_id)) if group_id <= LARGEST_ID else []
    if not found:
        raise NotFound(f"There is no company group with the id {group_id}.")
    return found[0]


def names_like(tx: Connection, actor: Actor, group: CompanyGroup) -> list[str]:
    """Returns the names of a few other groups that look like this group's name. For administrators.

    There are few groups, so their names are compared directly instead of storing look-alike keys.
    """
    require_administrator(actor)
    query = select(company_groups.c.name).where(company_groups.c.group_id != group.group_id)
    skeleton = look_alike_key(group.name)
    similar = (name for name in tx.execute(query.order_by(company_groups.c.group_id)).scalars() if skeleton)
    return list(islice((name for name in similar if look_alike_key(name) == skeleton), REPORTED))


def lock_group(tx: Connection, actor: Actor, group_id: int) -> CompanyGroup:
    """Like get_group, but concurrent changes to this group wait until the transaction ends."""
    if group_id <= LARGEST_ID:
        tx.execute(_groups().where(company_groups.c.group_id == group_id).with_for_update())
    return get_group(tx, actor, group_id)


def get_groups(tx: Connection, actor: Actor, names: Iterable[str]) -> list[CompanyGroup]:
    """Returns the groups with these names, in any case. Raises one NotFound that quotes every unknown name."""
    require_helpdesk(actor)
    wanted = {key(name): name for name in names}
    keys = [name_key for name_key, name in wanted.items() if storable(name)]
    found = _loaded(tx, actor, _groups().where(company_groups.c.name_key.in_(keys))) if keys else []
    known = {key(group.name) for group in found}
    missing = [f"“{printable(name)}”" for name_key, name in wanted.items() if name_key not in known]
    if missing:
        there = "There is no company group" if len(missing) == 1 else "There are no company groups"
        raise NotFound(f"{there} called {', '.join(missing)}.")
    return found


def list_companies_of(tx: Connection, actor: Actor, group_ids: Iterable[int]) -> list[Company]:
    """Returns the distinct visible companies of these groups, by name, without `open_issues`."""
    require_helpdesk(actor)
    in_groups = one_of(tx, company_group_members.c.group_id, sorted(set(group_ids)))
    member = exists().where(company_group_members.c.company_id == companies.c.company_id, in_groups)
    query = select(companies).where(member).order_by(companies.c.name_key, companies.c.company_id)
    return [
        Company(company_id=row.company_id, name=row.name, archived=bool(row.archived))
        for row in tx.execute(query)
        if actor.company_access.allows(row.company_id)
    ]


def get_companies_in_groups(tx: Connection, actor: Actor, names: Sequence[str]) -> list[Company]:
    """Returns the companies of the groups with these names, like list_companies_of. Raises NotFound like get_groups."""
    return list_companies_of(tx, actor, [group.group_id for group in get_groups(tx, actor, names)]) if names else []


def find_group_companies(tx: Connection, actor: Actor, name: str) -> list[Company]:
    """Returns the companies of the group with this name, like list_companies_of; empty if there is no such group."""
    try:
        return get_companies_in_groups(tx, actor, [name])
    except NotFound:
        return []


def list_groups_of(tx: Connection, actor: Actor, company_id: int) -> list[str]:
    """Returns the names of the groups of a company, by name; none if the actor may not see the company."""
    require_helpdesk(actor)
    if not actor.company_access.allows(company_id):
        return []
    member = exists().where(
        company_group_members.c.group_id == company_groups.c.group_id, company_group_members.c.company_id == company_id
    )
    return [row.name for row in tx.execute(_groups().where(member))]


def is_in_a_group(tx: Connection, actor: Actor, company_id: int) -> bool:
    """Returns whether a company that the actor may see belongs to any group."""
    in_group = exists().where(company_group_members.c.company_id == company_id)
    return actor.company_access.allows(company_id) and bool(tx.execute(select(in_group)).scalar_one())


def _groups() -> Select[Any]:
    columns = company_groups.c.group_id, company_groups.c.name
    return select(*columns).order_by(company_groups.c.name_key, company_groups.c.group_id)


def _loaded(tx: Connection, actor: Actor, query: Select[Any]) -> list[CompanyGroup]:
    rows = tx.execute(query).all()
    members = (
        select(company_group_members.c.group_id, companies.c.company_id, companies.c.name)
        .join(companies, companies.c.company_id == company_group_members.c.company_id)
        .where(one_of(tx, company_group_members.c.group_id, [row.group_id for row in rows]))
        .order_by(companies.c.name_key, companies.c.company_id)
    )
    names: dict[int, list[str]] = {}
    for member in tx.execute(members):
        if actor.company_access.allows(member.company_id):
            names.setdefault(member.group_id, []).append(member.name)
    return [
        CompanyGroup(group_id=row.group_id, name=row.name, company_names=names.get(row.group_id, []))
        for row in rows
        if actor.company_access.all or row.group_id in names
    ]


@cache
def _names(limited: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        query = select(company_groups.c.name).order_by(company_groups.c.name_key, company_groups.c.group_id)
        if not limited:
            return query
        member = of_visible_company(company_group_members.c.company_id, dialect)
        return query.where(exists().where(company_group_members.c.group_id == company_groups.c.group_id, member))

    return Prepared(build)
