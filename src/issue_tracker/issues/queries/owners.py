"""Reads of the owners of issues and assignments."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, exists, or_, select

from issue_tracker.actor import ALL_COMPANIES, Actor, Role, require_helpdesk
from issue_tracker.auth.users import User, get_user
from issue_tracker.company_access.queries import load_accesses
from issue_tracker.database.prepared import Prepared, among, numbers
from issue_tracker.database.tables import assignments, issues, users
from issue_tracker.errors import Invalid
from issue_tracker.names import key


def list_owner_names(tx: Connection, actor: Actor) -> list[tuple[int, str]]:
    """Returns the ids and names of the owners of visible issues and assignments, under limited company access.

    For an actor with access to all companies, the result is empty.
    """
    require_helpdesk(actor)
    access = actor.company_access
    if access.company_ids is None:
        return []
    companies = numbers(tx, sorted(access.company_ids))
    return [(user_id, name) for user_id, name in _owner_names.all(tx, companies=companies)]


def _select_owner_names(dialect: str) -> Select[Any]:
    visible = among(assignments.c.company_id, "companies", dialect)
    of_issue = exists().where(
        issues.c.owner_id == users.c.user_id, assignments.c.issue_id == issues.c.issue_id, visible
    )
    of_assignment = exists().where(assignments.c.owner_id == users.c.user_id, visible)
    return select(users.c.user_id, users.c.name).where(or_(of_issue, of_assignment)).order_by(users.c.user_id)


_owner_names = Prepared(_select_owner_names)


class Technician(msgspec.Struct, frozen=True):
    """A user who may own issues, or did before the account was disabled or changed its role (`active` is false)."""

    user_id: int
    name: str
    email: str
    active: bool


def list_technicians(tx: Connection, actor: Actor) -> list[Technician]:
    """Returns all users who may own issues, or once did, by name. To an actor with limited company access, only those
    are returned who may see at least one of the same companies.
    """
    require_helpdesk(actor)
    roles = (Role.TECHNICIAN.value, Role.SUPER_ADMIN.value)
    rows = tx.execute(
        select(users.c.user_id, users.c.name, users.c.email, users.c.active, users.c.role, users.c.all_companies)
    ).all()
    visible = actor.company_access.company_ids
    accesses = {} if visible is None else load_accesses(tx, {row.user_id for row in rows if not row.all_companies})
    found = [
        Technician(row.user_id, row.name, row.email, bool(row.active) and row.role in roles)
        for row in rows
        if _share(visible, accesses.get(row.user_id, ALL_COMPANIES).company_ids)
    ]
    return sorted(found, key=lambda user: (key(user.name), user.user_id))


Emails = Mapping[int, str]
"""E-mail addresses of technicians by user id."""


def emails_of(tx: Connection, actor: Actor) -> Emails:
    """Returns the addresses of list_technicians; files and forms identify owners by their addresses."""
    return {user.user_id: user.email for user in list_technicians(tx, actor)}


def _share(one: frozenset[int] | None, other: frozenset[int] | None) -> bool:
    """Returns whether two accesses, of which None is all companies, have a company in common."""
    return one is None or other is None or not one.isdisjoint(other)


def find_owner(tx: Connection, actor: Actor, email: str) -> User:
    """Returns the active technician with this e-mail address, of those in list_technicians. Raises Invalid for
    `owner`.
    """
    for user in list_technicians(tx, actor):
        if user.active and key(user.email) == key(email):
            return get_user(tx, user.user_id)
    raise Invalid.field("owner", f"there is no technician with the e-mail address “{email}”")
