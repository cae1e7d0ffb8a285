"""Reads of the history for people: the newest events first, those of one request together."""

from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.tables import events
from issue_tracker.events.catalog import Event, EventType
from issue_tracker.events.queries.log import event_from_row
from issue_tracker.events.queries.visibility import visible_to
from issue_tracker.names import key, storable

READ = 400
"""How many events one page reads."""

PAGE_GROUPS = 60
"""How many groups one page shows of them."""


class HistoryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a history shows; None and empty mean any. Names are as they were when an event was recorded.

    Audit events are shown only if `type` is one of theirs, and only to super admins.
    """

    issue_id: int | None = None
    company_id: int | None = None
    issue_name: str = ""
    company_name: str = ""
    type: EventType | None = None


class EventGroup(msgspec.Struct, frozen=True):
    """The newest of `count` events that did the same to several companies, and the names of these, by look-up key."""

    newest: Event
    count: int
    company_names: list[str]


class HistoryPage(msgspec.Struct, frozen=True):
    """Groups, the newest first. Older ones are before the event_id `older_than`; None when there are none."""

    groups: list[EventGroup]
    older_than: int | None


def find_last_event(tx: Connection, actor: Actor, wanted: HistoryFilter) -> Event | None:
    """The newest event that the filter selects; None when there is none."""
    require_helpdesk(actor)
    query = select(events).where(*_conditions(actor, wanted)).order_by(events.c.event_id.desc()).limit(1)
    row = tx.execute(query).first()
    return None if row is None else event_from_row(row)


def list_event_groups(tx: Connection, actor: Actor, wanted: HistoryFilter, *, before: int | None) -> HistoryPage:
    """A page of the history: of the events below the event_id `before` (None for the newest), in groups."""
    require_helpdesk(actor)
    if not (storable(wanted.issue_name) and storable(wanted.company_name)):
        return HistoryPage([], None)
    query = select(events).where(*_conditions(actor, wanted)).order_by(events.c.event_id.desc()).limit(READ)
    if before is not None:
        query = query.where(events.c.event_id < before)
    rows = tx.execute(query).all()
    groups: list[EventGroup] = []
    last = 0
    for _, together in groupby(rows, key=_content):
        if len(groups) == PAGE_GROUPS:
            break
        members = list(together)
        last = members[-1].event_id
        names = {row.company_name for row in members if row.company_name}
        groups.append(EventGroup(event_from_row(members[0]), len(members), sorted(names, key=key)))
    more = len(rows) == READ or (bool(rows) and last > rows[-1].event_id)
    return HistoryPage(groups, last if more else None)


def _content(row: Row[Any]) -> tuple[Any, ...]:
    """Equal for events that one request recorded of several companies of an issue."""
    alone = row.event_id if not row.type.startswith("assignment.") or not row.request_id else None
    return (row.request_id, row.type, row.issue_id, row.to_value, row.note, alone)


def _conditions(actor: Actor, wanted: HistoryFilter) -> list[ColumnElement[bool]]:
    audit = wanted.type is not None and wanted.type.audit and actor.super_admin
    return [
        events.c.audit.is_(audit),
        *([events.c.issue_id == wanted.issue_id] if wanted.issue_id is not None else []),
        *([events.c.company_id == wanted.company_id] if wanted.company_id is not None else []),
        *([events.c.type == wanted.type.value] if wanted.type is not None else []),
        *([events.c.issue_key == key(wanted.issue_name)] if wanted.issue_name else []),
        *([events.c.company_key == key(wanted.company_name)] if wanted.company_name else []),
        *visible_to(actor.company_access),
    ]
