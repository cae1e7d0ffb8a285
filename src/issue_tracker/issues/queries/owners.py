"""Reads of the owners of issues and assignments."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, literal, or_, select

from issue_tracker.actor import ALL_COMPANIES, HELPDESK, Actor, require_helpdesk
from issue_tracker.auth.users import User, get_user
from issue_tracker.company_access.queries import access_values, load_accesses, of_visible_company, of_visible_issue
from issue_tracker.database.prepared import Prepared
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
    if access.all:
        return []
    since = datetime.min.replace(tzinfo=UTC) if last_event is None else last_event - DELAY
    rows = _changed_owners.rows(tx, **access_values(tx, access), since=since)
    return [(row.user_id, row.name) for row in rows]


def _select_changed_owners(dialect: str) -> Select[Any]:
    changed = users.c.updated_at >= bindparam("since", type_=users.c.updated_at.type)
    owners = select(users.c.user_id, users.c.name).where(changed, _is_owner(dialect, limited=True))
    return owners.order_by(users.c.user_id)


def _is_owner(dialect: str, *, limited: bool) -> ColumnElement[bool]:
    """The user owns an issue or an assignment; if `limited`, one that the list `access` reveals."""
    # According to its statistics, SQLite would rather read all assignments of visible companies for each user, because
    # many issues have no owner.
    of_issue = select(issues.c.issue_id).with_hint(issues, "INDEXED BY ix_issues_owner_id_name_key", "sqlite")
    of_issue = of_issue.where(issues.c.owner_id == users.c.user_id)
    of_assignment = exists().where(assignments.c.owner_id == users.c.user_id)
    if limited:
        of_issue = of_issue.where(of_visible_issue(issues.c.issue_id, dialect))
        of_assignment = of_assignment.where(of_visible_company(assignments.c.company_id, dialect))
    return or_(of_issue.exists(), of_assignment)


_changed_owners = Prepared(_select_changed_owners)


class Technician(msgspec.Struct, frozen=True):
    """A user who may own issues, or still owns one although the account was disabled or changed its role (`active` is
    false).
    """

    user_id: int
    name: str
    email: str
    active: bool


def list_technicians(tx: Connection, actor: Actor) -> list[Technician]:
    """Returns all technicians and super admins, and other users who own an issue or an assignment that the actor may
    see, by name. To an actor with limited company access, only those are returned who may see at least one of the same
    companies.
    """
    require_helpdesk(actor)
    visible = actor.company_access.company_ids
    rows = _technicians(visible is not None).rows(tx, **access_values(tx, actor.company_access))
    accesses = {} if visible is None else load_accesses(tx, {row.user_id for row in rows if not row.all_companies})
    found = [
        Technician(row.user_id, row.name, row.email, bool(row.active) and row.role in HELPDESK)
        for row in rows
        if _share(visible, accesses.get(row.user_id, ALL_COMPANIES).company_ids)
    ]
    return sorted(found, key=lambda user: (key(user.name), user.user_id))


@cache
def _technicians(limited: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        columns = "user_id", "name", "email", "active", "role", "all_companies"
        of_helpdesk = users.c.role.in_([literal(role.value) for role in HELPDESK])
        query = select(*(users.c[name] for name in columns))
        return query.where(or_(of_helpdesk, _is_owner(dialect, limited=limited)))

    return Prepared(build)


Emails = Mapping[int, str]
"""Email addresses of technicians by user id."""


def emails_of(tx: Connection, actor: Actor) -> Emails:
    """Returns the addresses of list_technicians; files and forms identify owners by their addresses."""
    return {user.user_id: user.email for user in list_technicians(tx, actor)}


def _share(one: frozenset[int] | None, other: frozenset[int] | None) -> bool:
    """Returns whether two accesses, of which None is all companies, have a company in common."""
    return one is None or other is None or not one.isdisjoint(other)


def find_owner(tx: Connection, actor: Actor, email: str) -> User:
    """Returns the user with this email address, of those in list_technicians. Raises Invalid for `owner`.

    The user may still be an owner without being an active technician any more: an operation refuses such a user with
    `require_technician` only if it changes the owner.
    """
    for user in list_technicians(tx, actor):
        if key(user.email) == key(email):
            return get_user(tx, user.user_id)
    raise _no_technician(email)


def require_technician(owner: User) -> None:
    """Raises Invalid for `owner`, like find_owner, unless the new owner is an active technician."""
    if not owner.active or owner.role not in HELPDESK:
        raise _no_technician(owner.email)


def _no_technician(email: str) -> Invalid:
    return Invalid.field("owner", f"there is no technician with the email address “{email}”")
