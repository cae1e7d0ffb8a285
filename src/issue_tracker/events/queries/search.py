"""The search of the history (GET /api/events), by keyset on `event_id`.

Every filter uses an index, so that the search stays fast with ten million events.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, union

from issue_tracker.actor import Actor, CompanyAccess, require_helpdesk
from issue_tracker.company_access.queries import access_values, of_visible_issue
from issue_tracker.database.tables import companies, events, issues, users
from issue_tracker.errors import NotFound
from issue_tracker.events.catalog import Event, EventType
from issue_tracker.events.queries.log import event_from_row
from issue_tracker.events.queries.visibility import visible_to
from issue_tracker.names import key, printable, storable, whole_number

COUNT_LIMIT = 10_000
"""Maximum number of matches that are counted; beyond it, counting would cost more than the page."""

Bounds = Callable[[Select[Any]], Select[Any]]
"""Restricts a selection of event_ids to the part that is read."""

Alternatives = list[tuple[ColumnElement[bool], ColumnElement[bool]]]
"""Conditions of which one must hold: each in a form that can use an index, and in a form that cannot."""


class EventFilters(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of the search; empty means any. `actor` is a user's id or name."""

    issue_name: str = ""
    company_name: str = ""
    types: tuple[EventType, ...] = ()
    actor: str = ""
    request_id: str = ""


class Selection:
    """The events that match the filters and that the actor may see.

    Raises NotFound for the name of an issue or a company that neither exists nor occurs in the history.
    """

    def __init__(self, tx: Connection, actor: Actor, filters: EventFilters) -> None:
        require_helpdesk(actor)
        self.tx = tx
        access = actor.company_access
        types = [type_ for type_ in filters.types if actor.super_admin or not type_.audit]
        # The filter contains only types that the actor may not see, so the result is empty.
        self._empty = bool(filters.types) and not types
        groups: list[Alternatives] = [
            *([by_issue(tx, actor, filters.issue_name)] if filters.issue_name else []),
            *([[_equals(events.c.request_id, filters.request_id)]] if filters.request_id else []),
            *([by_company(tx, actor, filters.company_name)] if filters.company_name else []),
            *([by_actor(tx, filters.actor)] if filters.actor else []),
            *([[_equals(events.c.type, type_.value) for type_ in types]] if types else []),
            _permitted(actor),
        ]
        self._leading = groups[0]
        self._rest = [*(or_(*(quiet for _, quiet in group)) for group in groups[1:] if group), *visible_to(tx, access)]

    def page(self, *, after: int | None, before: int | None, until: int | None, limit: int) -> list[Event]:
        """Returns at most `limit` events: the newest first, or with `after` the oldest first.

        They are above `after`, below `before`, and up to and including `until`, if given.
        """
        if self._empty:
            return []
        order = events.c.event_id.desc() if after is None else events.c.event_id
        limits = [
            *([events.c.event_id > after] if after is not None else []),
            *([events.c.event_id < before] if before is not None else []),
            *([events.c.event_id <= until] if until is not None else []),
        ]
        ids = first_ids(self._leading, self._rest, lambda query: query.where(*limits).order_by(order).limit(limit))
        query = select(events).where(events.c.event_id.in_(ids)).order_by(order).limit(limit)
        return [event_from_row(row) for row in self.tx.execute(query)]

    def count(self) -> tuple[int, bool]:
        """Returns the number of matches, up to COUNT_LIMIT, and whether that is all of them."""
        if self._empty:
            return 0, True
        ids = first_ids(self._leading, self._rest, lambda query: query.limit(COUNT_LIMIT + 1)).subquery()
        counted = int(self.tx.execute(select(func.count()).select_from(ids)).scalar_one())
        return min(counted, COUNT_LIMIT), counted <= COUNT_LIMIT


def first_ids(leading: Alternatives, rest: Sequence[ColumnElement[bool]], bounded: Bounds) -> Any:
    """Returns a selection of the ids of events that meet one of the alternatives and all other conditions: for each
    alternative as many as needed, in the order of its index. Without alternatives, only the other conditions count.
    """
    query: Select[Any] = select(events.c.event_id).where(*rest)
    if not leading:
        return bounded(query)
    parts = [bounded(query.where(indexed)).subquery() for indexed, _ in leading]
    if len(parts) == 1:
        return select(parts[0].c.event_id)
    return union(*(select(part.c.event_id) for part in parts))


def _equals(column: ColumnElement[Any], value: object) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column == value, func.coalesce(column, column) == value


def _permitted(actor: Actor) -> Alternatives:
    return [] if actor.super_admin else [_equals(events.c.audit, False)]


def by_issue(tx: Connection, actor: Actor, name: str) -> Alternatives:
    """Returns conditions for the issue with this name, under all its names, and for former bearers of the name.

    Raises NotFound if the actor can see neither an issue nor an event with this name.
    """
    access = actor.company_access
    found = _find_issue_id(tx, access, name) if storable(name) else None
    named = [] if found is None else [_equals(events.c.issue_id, found)]
    if not named and not _mentioned(tx, access, events.c.issue_key, name, []):
        raise NotFound(f"There is no issue called “{printable(name)}”, and there never was.")
    return [*named, _equals(events.c.issue_key, key(name))]


def by_company(tx: Connection, actor: Actor, name: str) -> Alternatives:
    """Like by_issue, for the company with this name and its former bearers."""
    access = actor.company_access
    found = _find_company_id(tx, access, name) if storable(name) else None
    named = [] if found is None else [_equals(events.c.company_id, found)]
    if not named and not _mentioned(tx, access, events.c.company_key, name, _permitted(actor)):
        raise NotFound(f"There is no company called “{printable(name)}”, and there never was.")
    return [*named, _equals(events.c.company_key, key(name))]


def _find_issue_id(tx: Connection, access: CompanyAccess, name: str) -> int | None:
    query = select(issues.c.issue_id).where(issues.c.name_key == key(name))
    if not access.all:
        query = query.where(of_visible_issue(issues.c.issue_id, tx.dialect.name))
    return tx.execute(query, access_values(tx, access)).scalar_one_or_none()


def _find_company_id(tx: Connection, access: CompanyAccess, name: str) -> int | None:
    query = select(companies.c.company_id).where(companies.c.name_key == key(name))
    found = tx.execute(query).scalar_one_or_none()
    return found if access.allows(found) else None


def _mentioned(
    tx: Connection, access: CompanyAccess, column: ColumnElement[Any], name: str, permitted: Alternatives
) -> bool:
    """Returns whether a visible event names the issue or the company."""
    if not storable(name):
        return False
    conditions = [column == key(name), *(quiet for _, quiet in permitted), *visible_to(tx, access)]
    return tx.execute(select(events.c.event_id).where(*conditions).limit(1)).first() is not None


def by_actor(tx: Connection, wanted: str) -> Alternatives:
    """Returns conditions for the users with this id or present name, and for actors without an account by name."""
    ids = {row.user_id for row in tx.execute(select(users.c.user_id, users.c.name)) if key(row.name) == key(wanted)}
    number = whole_number(wanted)
    if number is not None:
        ids.add(number)
    unknown = and_(events.c.actor_id.is_(None), events.c.actor_name == printable(wanted).replace("\0", ""))
    return [*(_equals(events.c.actor_id, user_id) for user_id in sorted(ids)), (unknown, unknown)]
