"""Reads of company accesses: which companies users and tokens may see, and what was granted (docs/decisions/0024).

Also the conditions under which a company or an issue is visible, for the reads of all other modules.
"""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, CompoundSelect, Connection, Table, bindparam, exists, or_, select

from issue_tracker.actor import ALL_COMPANIES, Actor, CompanyAccess, require_administrator
from issue_tracker.database.prepared import Prepared, among, numbers, one_of
from issue_tracker.database.tables import (
    assignments,
    companies,
    company_group_members,
    company_groups,
    group_mapping_companies,
    group_mapping_company_groups,
    token_companies,
    token_company_groups,
    user_companies,
    user_company_groups,
    users,
)
from issue_tracker.database.types import Id


def access_values(tx: Connection, access: CompanyAccess) -> dict[str, Any]:
    """Returns the parameter of the conditions `of_visible_company` and `of_visible_issue`: the list `access` of the
    visible companies. It is missing for access to all companies, under which statements have no such condition.
    """
    return {} if access.company_ids is None else {"access": numbers(tx, sorted(access.company_ids))}


def of_visible_company(company_id: ColumnElement[int], dialect: str) -> ColumnElement[bool]:
    """The company is in the list `access`."""
    return among(company_id, "access", dialect)


def of_visible_issue(issue_id: ColumnElement[int], dialect: str) -> ColumnElement[bool]:
    """The issue has an assignment to a company in the list `access`."""
    visible = of_visible_company(assignments.c.company_id, dialect)
    return exists().where(assignments.c.issue_id == issue_id, visible)


class GrantedAccess(msgspec.Struct, frozen=True):
    """What a user or a token with limited access was granted: the names of company groups and of companies, sorted by
    name.
    """

    company_groups: list[str]
    companies: list[str]

    @property
    def described(self) -> str:
        """The access in words, for the audit."""
        parts = [("groups", self.company_groups), ("companies", self.companies)]
        return "; ".join(f"{word}: {', '.join(names)}" for word, names in parts if names) or "no company"


def load_access(tx: Connection, user_id: int, *, all_companies: bool) -> CompanyAccess:
    """Returns a user's present access. `all_companies` says that it is unlimited, so that nothing has to be read."""
    if all_companies:
        return ALL_COMPANIES
    return CompanyAccess(frozenset(company_id for (company_id,) in _of_user.all(tx, user_id=user_id)))


def load_accesses(tx: Connection, limited: Collection[int]) -> dict[int, CompanyAccess]:
    """Returns the present accesses of users, all of whom must have limited access, by user id."""
    return _load_accesses(tx, user_companies, user_company_groups, "user_id", limited)


def list_granted(tx: Connection, actor: Actor, user_ids: Collection[int]) -> dict[int, GrantedAccess]:
    """Returns what was granted to those of the users whose access is limited, by user id.

    Raises Forbidden unless the actor is a super admin with access to all companies.
    """
    require_administrator(actor)
    limited = select(users.c.user_id).where(one_of(tx, users.c.user_id, user_ids), users.c.all_companies.is_(False))
    found = {user_id: GrantedAccess([], []) for user_id in tx.execute(limited).scalars()}
    grouped = (
        select(user_company_groups.c.user_id, company_groups.c.name)
        .join(company_groups, company_groups.c.group_id == user_company_groups.c.group_id)
        .where(one_of(tx, user_company_groups.c.user_id, found))
        .order_by(company_groups.c.name_key)
    )
    direct = (
        select(user_companies.c.user_id, companies.c.name)
        .join(companies, companies.c.company_id == user_companies.c.company_id)
        .where(one_of(tx, user_companies.c.user_id, found))
        .order_by(companies.c.name_key)
    )
    for user_id, name in tx.execute(grouped):
        found[user_id].company_groups.append(name)
    for user_id, name in tx.execute(direct):
        found[user_id].companies.append(name)
    return found


def load_token_accesses(tx: Connection, limited: Collection[int]) -> dict[int, CompanyAccess]:
    """Returns the limits of tokens, all of which must have limited access, by token id; their owners may see less."""
    return _load_accesses(tx, token_companies, token_company_groups, "token_id", limited)


def _load_accesses(
    tx: Connection, direct: Table, grouped: Table, holder: str, limited: Collection[int]
) -> dict[int, CompanyAccess]:
    """Returns the companies that two tables grant to holders, directly and by company groups, by the holder's id."""
    if not limited:
        return {}
    found: dict[int, set[int]] = {holder_id: set() for holder_id in limited}
    members = company_group_members
    by_group = select(grouped.c[holder], members.c.company_id).join(members, members.c.group_id == grouped.c.group_id)
    both = (
        select(direct.c[holder], direct.c.company_id)
        .where(one_of(tx, direct.c[holder], limited))
        .union(by_group.where(one_of(tx, grouped.c[holder], limited)))
    )
    for holder_id, company_id in tx.execute(both):
        found[holder_id].add(company_id)
    return {holder_id: CompanyAccess(frozenset(ids)) for holder_id, ids in found.items()}


def list_token_grants(tx: Connection, actor: Actor, limited: Collection[int]) -> dict[int, GrantedAccess]:
    """Returns what was granted to tokens, all of which must have limited access, by token id, if visible to the actor.

    The access of a token's owner may have been narrowed since: companies that the actor may not see are not named, nor
    are groups without visible companies.
    """
    found = {token_id: GrantedAccess([], []) for token_id in limited}
    if not found:
        return found
    members = company_group_members
    grouped = (
        select(token_company_groups.c.token_id, company_groups.c.name, members.c.company_id)
        .join(company_groups, company_groups.c.group_id == token_company_groups.c.group_id)
        .outerjoin(members, members.c.group_id == company_groups.c.group_id)
        .where(one_of(tx, token_company_groups.c.token_id, found))
        .order_by(company_groups.c.name_key)
    )
    direct = (
        select(token_companies.c.token_id, companies.c.name, companies.c.company_id)
        .join(companies, companies.c.company_id == token_companies.c.company_id)
        .where(one_of(tx, token_companies.c.token_id, found))
        .order_by(companies.c.name_key)
    )
    for token_id, name, company_id in tx.execute(grouped):
        named = found[token_id].company_groups
        if name not in named and actor.company_access.allows(company_id):
            named.append(name)
    for token_id, name, company_id in tx.execute(direct):
        if actor.company_access.allows(company_id):
            found[token_id].companies.append(name)
    return found


def is_company_granted(tx: Connection, company_id: int) -> bool:
    """Returns whether the access of any user or token, or a group mapping, names this company itself."""
    tables = (user_companies, token_companies, group_mapping_companies)
    return bool(
        tx.execute(select(or_(*(exists().where(table.c.company_id == company_id) for table in tables)))).scalar_one()
    )


def is_group_granted(tx: Connection, group_id: int) -> bool:
    """Returns whether the access of any user or token, or a group mapping, names the group."""
    tables = (user_company_groups, token_company_groups, group_mapping_company_groups)
    return bool(
        tx.execute(select(or_(*(exists().where(table.c.group_id == group_id) for table in tables)))).scalar_one()
    )


def _select_of_user(_dialect: str) -> CompoundSelect[Any]:
    user_id = bindparam("user_id", type_=Id)
    grouped = select(company_group_members.c.company_id).join(
        user_company_groups, user_company_groups.c.group_id == company_group_members.c.group_id
    )
    return (
        select(user_companies.c.company_id)
        .where(user_companies.c.user_id == user_id)
        .union(grouped.where(user_company_groups.c.user_id == user_id))
    )


_of_user = Prepared(_select_of_user)
