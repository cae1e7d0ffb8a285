"""Reads of the history, by keyset on `event_id`. Every filter leads an index, so ten million events stay fast."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, union

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.clock import iso
from issue_tracker.database.tables import companies, events, issues, users
from issue_tracker.errors import NotFound
from issue_tracker.events.catalog import Event, EventActor, EventType
from issue_tracker.names import key, printable, storable

COUNT_LIMIT = 10_000
"""Matches are counted up to here; beyond it, a count would cost more than the page."""

Alternatives = list[tuple[ColumnElement[bool], ColumnElement[bool]]]
"""Conditions of which one must hold, each as it leads an index, and as one that the planner cannot choose."""


class EventFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are asked for; empty means any. `actor` is a user's id or name."""

    issue_name: str = ""
    company_name: str = ""
    types: tuple[EventType, ...] = ()
    actor: str = ""
    request_id: str = ""


class Selection:
    """The events that an actor may see of those asked for.

    Raises NotFound for an issue or company name that neither is in use nor stands in the history.
    """

    def __init__(self, tx: Connection, actor: Actor, filters: EventFilters) -> None:
        require_helpdesk(actor)
        self.tx = tx
        visible: Alternatives = [] if actor.super_admin else [_equals(events.c.audit, False)]
        types = [type_ for type_ in filters.types if actor.super_admin or not type_.audit]
        # Asked only for what the actor may not see: no search could find any.
        self._nothing = bool(filters.types) and not types
        groups: list[Alternatives] = [
            *_issue(tx, filters.issue_name),
            *([[_equals(events.c.request_id, filters.request_id)]] if filters.request_id else []),
            *_company(tx, filters.company_name, visible),
            *_actor(tx, filters.actor),
            *([[_equals(events.c.type, type_.value) for type_ in types]] if types else []),
            visible,
        ]
        self._leading = groups[0]
        self._rest = [or_(*(quiet for _, quiet in group)) for group in groups[1:] if group]

    def page(self, *, after: int | None, before: int | None, until: int | None, limit: int) -> list[Event]:
        """At most `limit` events: the newest first, or with `after` the oldest first; none beyond `until`."""
        if self._nothing:
            return []
        order = events.c.event_id.desc() if after is None else events.c.event_id
        limits = [
            *([events.c.event_id > after] if after is not None else []),
            *([events.c.event_id < before] if before is not None else []),
            *([events.c.event_id <= until] if until is not None else []),
        ]
        ids = self._ids(lambda query: query.where(*limits).order_by(order).limit(limit))
        query = select(events).where(events.c.event_id.in_(ids)).order_by(order).limit(limit)
        return [event_of(row) for row in self.tx.execute(query)]

    def count(self) -> tuple[int, bool]:
        """How many events match, up to COUNT_LIMIT, and whether that is all of them."""
        if self._nothing:
            return 0, True
        ids = self._ids(lambda query: query.limit(COUNT_LIMIT + 1)).subquery()
        counted = int(self.tx.execute(select(func.count()).select_from(ids)).scalar_one())
        return min(counted, COUNT_LIMIT), counted <= COUNT_LIMIT

    def _ids(self, bounded: Any) -> Any:
        """The ids: from each leading condition at most as many as needed, in the order of its index."""
        query: Select[Any] = select(events.c.event_id).where(*self._rest)
        if not self._leading:
            return bounded(query)
        parts = [bounded(query.where(leading)).subquery() for leading, _ in self._leading]
        if len(parts) == 1:
            return select(parts[0].c.event_id)
        return union(*(select(part.c.event_id) for part in parts))


def event_of(row: Row[Any]) -> Event:
    """A row of the table as the event that everyone is shown."""
    return Event(
        event_id=row.event_id,
        type=EventType(row.type),
        at=iso(row.at),
        actor=EventActor(row.actor_id, row.actor_name, row.channel),
        request_id=row.request_id,
        issue_id=row.issue_id,
        issue_name=row.issue_name,
        company_id=row.company_id,
        company_name=row.company_name,
        field=row.field,
        before=row.from_value,
        after=row.to_value,
        note=row.note,
    )


def last_event_id(tx: Connection) -> int:
    """The highest number that is visible; 0 without any event."""
    return tx.execute(select(func.max(events.c.event_id))).scalar_one() or 0


def _equals(column: ColumnElement[Any], value: object) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column == value, func.coalesce(column, column) == value


def _issue(tx: Connection, name: str) -> list[Alternatives]:
    """The issue now so called, under all its names; and what was so called then and is gone."""
    if not name:
        return []
    found = None
    if storable(name):
        found = tx.execute(select(issues.c.issue_id).where(issues.c.name_key == key(name))).scalar_one_or_none()
    named = [] if found is None else [_equals(events.c.issue_id, found)]
    if not named and not _mentioned(tx, events.c.issue_key, name, []):
        raise NotFound(f"There is no issue called “{printable(name)}”, and there never was.")
    return [[*named, _equals(events.c.issue_key, key(name))]]


def _company(tx: Connection, name: str, visible: Alternatives) -> list[Alternatives]:
    if not name:
        return []
    found = None
    if storable(name):
        query = select(companies.c.company_id).where(companies.c.name_key == key(name))
        found = tx.execute(query).scalar_one_or_none()
    named = [] if found is None else [_equals(events.c.company_id, found)]
    if not named and not _mentioned(tx, events.c.company_key, name, visible):
        raise NotFound(f"There is no company called “{printable(name)}”, and there never was.")
    return [[*named, _equals(events.c.company_key, key(name))]]


def _mentioned(tx: Connection, column: ColumnElement[Any], name: str, visible: Alternatives) -> bool:
    if not storable(name):
        return False
    query = select(events.c.event_id).where(column == key(name), *(quiet for _, quiet in visible)).limit(1)
    return tx.execute(query).first() is not None


def _actor(tx: Connection, wanted: str) -> list[Alternatives]:
    """A user by id or present name; or, of those without an account, whoever was so called."""
    if not wanted:
        return []
    if wanted.isascii() and wanted.isdigit() and int(wanted) < 2**63:
        ids: Sequence[int] = [int(wanted)]
    else:
        ids = [row.user_id for row in tx.execute(select(users.c.user_id, users.c.name)) if key(row.name) == key(wanted)]
    stranger = and_(events.c.actor_id.is_(None), events.c.actor_name == printable(wanted).replace("\0", ""))
    return [[*(_equals(events.c.actor_id, user_id) for user_id in ids), (stranger, stranger)]]
