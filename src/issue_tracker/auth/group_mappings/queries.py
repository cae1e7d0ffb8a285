"""Reads of group mappings."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from issue_tracker.actor import Actor, Role, require_administrator
from issue_tracker.clock import Timestamp, iso
from issue_tracker.company_access.queries import GrantedAccess
from issue_tracker.database.prepared import one_of
from issue_tracker.database.tables import (
    companies,
    company_groups,
    group_mapping_companies,
    group_mapping_company_groups,
    group_mappings,
    users,
)
from issue_tracker.errors import NotFound
from issue_tracker.integers import LARGEST_ID

SCIM = "scim"
"""The source of groups that are provisioned by SCIM."""


class GroupMapping(msgspec.Struct, frozen=True):
    """What a group grants its members: their role, and their company access.

    `source` is the source of the group: the id of an identity provider, or `scim`. `group` is its name there.
    """

    id: int
    source: str
    group: str
    role: Role
    company_access: GrantedAccess | None
    created_at: Timestamp
    updated_at: Timestamp


def list_mappings(tx: Connection, actor: Actor) -> list[GroupMapping]:
    """Returns all mappings by source and group. Raises Forbidden, like require_administrator."""
    require_administrator(actor)
    ordered = group_mappings.c.source, group_mappings.c.group_name
    return _loaded(tx, tx.execute(select(group_mappings).order_by(*ordered)).all())


def get_mapping(tx: Connection, actor: Actor, mapping_id: int, *, lock: bool = False) -> GroupMapping:
    """Returns the mapping with this id. With `lock`, concurrent changes to it wait until the transaction ends.

    Raises NotFound, and Forbidden like list_mappings.
    """
    require_administrator(actor)
    query = select(group_mappings).where(group_mappings.c.id == mapping_id)
    rows = tx.execute(query.with_for_update() if lock else query).all() if mapping_id <= LARGEST_ID else []
    if not rows:
        raise NotFound(f"There is no group mapping with the id {mapping_id}.")
    return _loaded(tx, rows)[0]


def find_access_sources(tx: Connection, actor: Actor, user_ids: Collection[int]) -> dict[int, str]:
    """Returns the source whose groups determine the role and the company access of a user, by user id.

    Users whose role and access are administered in this product are absent. So are those whose source has no mapping
    any longer. Raises Forbidden, like require_administrator.
    """
    require_administrator(actor)
    mapped = select(group_mappings.c.source).where(group_mappings.c.source == users.c.access_source).exists()
    these = one_of(tx, users.c.user_id, user_ids)
    query = select(users.c.user_id, users.c.access_source).where(these, mapped)
    return {row.user_id: row.access_source for row in tx.execute(query)}


def _loaded(tx: Connection, rows: Sequence[Row[Any]]) -> list[GroupMapping]:
    limited = {row.id: GrantedAccess([], []) for row in rows if not row.all_companies}
    grouped, direct = group_mapping_company_groups.c, group_mapping_companies.c
    names = (
        select(grouped.mapping_id, company_groups.c.name)
        .join(company_groups, company_groups.c.group_id == grouped.group_id)
        .where(grouped.mapping_id.in_(limited))
        .order_by(company_groups.c.name_key)
    )
    for mapping_id, name in tx.execute(names):
        limited[mapping_id].company_groups.append(name)
    names = (
        select(direct.mapping_id, companies.c.name)
        .join(companies, companies.c.company_id == direct.company_id)
        .where(direct.mapping_id.in_(limited))
        .order_by(companies.c.name_key)
    )
    for mapping_id, name in tx.execute(names):
        limited[mapping_id].companies.append(name)
    return [
        GroupMapping(
            id=row.id,
            source=row.source,
            group=row.group_name,
            role=Role(row.role),
            company_access=limited.get(row.id),
            created_at=iso(row.created_at),
            updated_at=iso(row.updated_at),
        )
        for row in rows
    ]
