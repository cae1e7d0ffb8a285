"""Reads of the owners of issues and assignments."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, bindparam, exists, or_, select

from issue_tracker.actor import ALL_COMPANIES, Actor, Role, require_helpdesk
from issue_tracker.auth.users import User, get_user
from issue_tracker.company_access.queries import load_accesses
from issue_tracker.database.prepared import Prepared, among, numbers
from issue_tracker.database.tables import assignments, issues, users
from issue_tracker.errors import Invalid
from issue_tracker.names import key

DELAY = timedelta(hours=1)
"""The maximum by which a change of an account may become visible later than an event with a later time: transactions
take time, and the clocks of servers differ.
"""


def list_changed_owners(tx: Connection, actor: Actor, last_event: datetime | None) -> list[tuple[int, str]]:
    """Returns the ids and names of those owners of visible issues and assignments whose accounts may have changed after
    the last visible event, which has the time `last_event` (None: there is no event).

    Under limited company access, the events of accounts are hidden, but the names of owners are not. All other accounts
    have been the same since that event. Looking for visible issues of all owners would take milliseconds among a
    million assignments. For an actor with access to all companies, the result is empty.
    """
    require_helpdesk(actor)
    access = actor.company_access
    if access.company_ids is None:
        return []
    since = datetime.min.replace(tzinfo=UTC) if last_event is None else last_event - DELAY
    rows = _changed_owners.rows(tx, companies=numbers(tx, sorted(access.company_ids)), since=since)
    return [(row.user_id, row.name) for row in rows]


def _select_changed_owners(dialect: str) -> Select[Any]:
    visible = among(assignments.c.company_id, "companies", dialect)
    # According to its statistics, SQLite would rather read all assignments of visible companies for each user, because
    # many issues have no owner.
    owned = select(issues.c.issue_id).with_hint(issues, "INDEXED BY ix_issues_owner_id_name_key", "sqlite")
    of_issue = owned.where(
        issues.c.owner_id == users.c.user_id, exists().where(assignments.c.issue_id == issues.c.issue_id, visible)
    ).exists()
    of_assignment = exists().where(assignments.c.owner_id == users.c.user_id, visible)
    changed = users.c.updated_at >= bindparam("since", type_=users.c.updated_at.type)
    return select(users.c.user_id, users.c.name).where(changed, or_(of_issue, of_assignment)).order_by(users.c.user_id)


_changed_owners = Prepared(_select_changed_owners)


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
