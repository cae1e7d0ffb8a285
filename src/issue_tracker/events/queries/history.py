"""Reads of the history for people: the newest events first, with those of one request grouped."""

from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.tables import events
from issue_tracker.events.catalog import Event, EventType
from issue_tracker.events.queries.large_requests import ONE_REQUEST, LargeRequest, find_large_requests, request_of
from issue_tracker.events.queries.log import event_from_row
from issue_tracker.events.queries.search import Alternatives, by_actor, by_company, by_issue, first_ids
from issue_tracker.events.queries.times import between
from issue_tracker.events.queries.visibility import visible_to
from issue_tracker.names import key, storable

PAGE_GROUPS = 60
"""Number of groups that fill a page."""

PAGE_EVENTS = 1_000
"""Number of events that also fill a page, so that a page of large groups stays small."""

BATCH = 200
"""Number of events that one statement reads while a page is filled."""

CONTENT = ("request_id", "request_number", "type", "issue_id", "field", "to_value", "note")
"""The columns in which all events of one group are equal."""

SEARCHED = 10_000
"""Number of event_ids below the end of a page that are searched for the rest of its groups. Other requests may record
events in between, but never so many during one request."""


class HistoryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The filter of a history; None and empty mean any. `issue_name` and `company_name` find events under all names of
    the issue or the company, and those of former bearers of the name.

    Audit events are shown only if `type` is an audit type, and only to super admins. `actor_name` is the name or the id
    of a user, or the name of an actor without an account. `since` is inclusive, `until` exclusive.
    """

    issue_id: int | None = None
    company_id: int | None = None
    issue_name: str = ""
    company_name: str = ""
    type: EventType | None = None
    actor_name: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def about_one_issue(self) -> bool:
        return self.issue_id is not None or bool(self.issue_name)

    @property
    def about_one_company(self) -> bool:
        return self.company_id is not None or bool(self.company_name)


class EventGroup(msgspec.Struct, frozen=True):
    """The newest of `count` events that did the same to several companies, whose names are sorted by look-up key.

    `large` describes the request if it changed many issues: then the group is the whole request.
    """

    newest: Event
    count: int
    company_names: list[str]
    large: LargeRequest | None = None


class HistoryPage(msgspec.Struct, frozen=True):
    """Groups, the newest first. Older ones are below the event_id `older_than`; None if there are none."""

    groups: list[EventGroup]
    older_than: int | None


def find_last_event(
    tx: Connection,
    actor: Actor,
    types: Sequence[EventType],
    issue_id: int,
    company_id: int | None = None,
    fields: Sequence[str] | None = None,
) -> Event | None:
    """Returns the newest event of these types about an issue, about a company in it, or about one of these fields of
    it; None if there is none. The types are not those of the audit.
    """
    require_helpdesk(actor)
    leading, conditions = _conditions(tx, actor, HistoryFilter(issue_id=issue_id, company_id=company_id))
    conditions = [*conditions, events.c.type.in_([type_.value for type_ in types])]
    if fields is not None:
        conditions.append(events.c.field.in_(fields))
    row = tx.execute(_newest(leading, conditions, None, 1)).first()
    return None if row is None else event_from_row(row)


def list_event_groups(tx: Connection, actor: Actor, wanted: HistoryFilter, *, before: int | None) -> HistoryPage:
    """Returns a page of the history: the events below the event_id `before` (None for the newest), in groups.

    A page never ends within a group: it shows all events of its groups, and the next page none of them. Raises NotFound
    if the actor can see neither an issue or a company nor an event with a name of the filter.
    """
    require_helpdesk(actor)
    if not all(storable(name) for name in (wanted.issue_name, wanted.company_name, wanted.actor_name)):
        return HistoryPage([], None)
    leading, conditions = _conditions(tx, actor, wanted)
    groups = _Groups(merging=not wanted.about_one_company)
    end = before
    while not groups.full:
        rows = tx.execute(_newest(leading, conditions, end, BATCH)).all()
        if not wanted.about_one_issue:
            # The rest of a large request is not read.
            large = find_large_requests(tx, actor.company_access, conditions, rows)
            groups.combine(large)
            conditions += [request.others for request in large]
        for row in rows:
            groups.add(row)
            end = row.event_id
            if groups.full:
                break
        else:
            if len(rows) < BATCH:
                return HistoryPage(groups.listed(), None)
    assert end is not None
    # Other events recorded between the events of these groups are on this page, too, in groups of their own.
    while (lowest := _lowest_of(tx, conditions, groups, end)) < end:
        rest = select(events).where(*conditions, events.c.event_id.between(lowest, end - 1))
        for row in tx.execute(rest.order_by(events.c.event_id.desc())):
            groups.add(row)
        end = lowest
    older = tx.execute(_newest(leading, conditions, end, 1)).first()
    return HistoryPage(groups.listed(), None if older is None else end)


class _Groups:
    """Groups events, which are added newest first, by what one request did to several companies of an issue."""

    def __init__(self, *, merging: bool) -> None:
        self._merging = merging
        self._large: dict[Hashable, LargeRequest] = {}
        self._groups: list[list[Row[Any]]] = []
        self._by_content: dict[Hashable, list[Row[Any]]] = {}
        self._events = 0

    @property
    def full(self) -> bool:
        return len(self._groups) >= PAGE_GROUPS or self._events >= PAGE_EVENTS

    @property
    def open(self) -> list[Row[Any]]:
        """The newest events of the groups that may still grow."""
        return [group[0] for group in self._by_content.values()]

    def combine(self, requests: Sequence[LargeRequest]) -> None:
        """Combines each of these requests into one group, including events that were added before."""
        for request in requests:
            self._large[request_of(request)] = request
            own = [group for group in self._groups if request.covers(group[0])]
            self._groups = [group for group in self._groups if group not in own[1:]]
            if own:
                own[0][1:] = []
            self._by_content = {
                content: group for content, group in self._by_content.items() if not request.covers(group[0])
            }

    def large(self, row: Row[Any]) -> LargeRequest | None:
        """Returns the large request that an event belongs to; None if there is none."""
        found = self._large.get(request_of(row))
        return found if found is not None and found.covers(row) else None

    def add(self, row: Row[Any]) -> None:
        large = self.large(row)
        if large is not None:
            # The newest event represents the request. If it is on an earlier page, the request was shown there.
            if row.event_id == large.newest_id:
                self._events += 1
                self._groups.append([row])
            return
        self._events += 1
        if not self._merging or not row.request_id or not row.type.startswith("assignment."):
            self._groups.append([row])
            return
        if self.continued_by(row):
            self._by_content[_content(row)].append(row)
        else:
            group = self._by_content[_content(row)] = [row]
            self._groups.append(group)

    def continued_by(self, row: Row[Any]) -> bool:
        """Returns whether an event belongs to an existing group, by its content and time."""
        group = self._by_content.get(_content(row))
        return group is not None and group[0].at - row.at <= ONE_REQUEST

    def listed(self) -> list[EventGroup]:
        return [
            EventGroup(
                newest=event_from_row(group[0]),
                count=len(group),
                company_names=sorted({row.company_name for row in group if row.company_name}, key=key),
                large=self.large(group[0]),
            )
            for group in self._groups
        ]


def _content(row: Row[Any]) -> Hashable:
    return tuple(getattr(row, name) for name in CONTENT)


def _lowest_of(tx: Connection, conditions: list[ColumnElement[bool]], groups: _Groups, end: int) -> int:
    """Returns the lowest event_id of the open groups below `end`; `end` if they have none there."""
    newest = groups.open
    if not newest:
        return end
    content: list[ColumnElement[Any]] = [events.c[name] for name in CONTENT]
    query: Select[Any] = (
        select(*content, func.max(events.c.at).label("at"), func.min(events.c.event_id).label("lowest"))
        .where(
            *conditions,
            events.c.request_id.in_(sorted({row.request_id for row in newest})),
            events.c.event_id.between(end - SEARCHED, end - 1),
            events.c.at >= min(row.at for row in newest) - ONE_REQUEST,
        )
        .group_by(*content)
    )
    return min((row.lowest for row in tx.execute(query) if groups.continued_by(row)), default=end)


def _newest(
    leading: Alternatives, conditions: Sequence[ColumnElement[bool]], end: int | None, most: int
) -> Select[Any]:
    """Selects the newest events, at most `most`, of those below the event_id `end` (None for all) that meet the
    conditions and one of the alternatives.
    """

    def bounded(query: Select[Any]) -> Select[Any]:
        below = query if end is None else query.where(events.c.event_id < end)
        return below.order_by(events.c.event_id.desc()).limit(most)

    if not leading:
        return bounded(select(events).where(*conditions))
    return bounded(select(events).where(events.c.event_id.in_(first_ids(leading, conditions, bounded))))


def _conditions(tx: Connection, actor: Actor, wanted: HistoryFilter) -> tuple[Alternatives, list[ColumnElement[bool]]]:
    """Returns alternatives, of which those with an index determine in which order events are read, and all conditions,
    which include these alternatives.
    """
    audit = wanted.type is not None and wanted.type.audit and actor.super_admin
    groups = [
        *([by_issue(tx, actor, wanted.issue_name)] if wanted.issue_name else []),
        *([by_company(tx, actor, wanted.company_name)] if wanted.company_name else []),
        *([by_actor(tx, wanted.actor_name)] if wanted.actor_name else []),
    ]
    conditions: list[ColumnElement[bool]] = [
        events.c.audit.is_(audit),
        *([events.c.issue_id == wanted.issue_id] if wanted.issue_id is not None else []),
        *([events.c.company_id == wanted.company_id] if wanted.company_id is not None else []),
        *([events.c.type == wanted.type.value] if wanted.type is not None else []),
        *(or_(*(quiet for _, quiet in group)) for group in groups),
        *between(tx, wanted.since, wanted.until),
        *visible_to(tx, actor.company_access),
    ]
    return groups[0] if groups else [], conditions
