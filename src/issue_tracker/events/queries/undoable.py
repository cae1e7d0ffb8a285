"""Reads of the events that an undo needs: the changes of one request, later changes of the same assignments, and what
removed assignments had.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, exists, not_, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.company_access.queries import access_values, of_visible_company
from issue_tracker.database.prepared import among, numbers
from issue_tracker.database.tables import events, merged_companies, merged_issues
from issue_tracker.events.catalog import STATUS_CHANGES, AssignmentTimes, Event, EventType
from issue_tracker.events.queries.log import event_from_row

Place = tuple[int, int]
"""An assignment: the ids of its issue and of its company."""


RESTORED = "owner", "references"
"""The fields of an assignment that an undo of its removal restores."""


class AssignmentChange(msgspec.Struct, frozen=True):
    """A change of an assignment, with what only an undo needs: the previous times of the assignment (None in events of
    earlier programs), and what distinguishes the request from others with the same id.
    """

    event: Event
    times: AssignmentTimes | None
    number: int | None

    @property
    def place(self) -> Place:
        event = self.event
        assert event.issue_id is not None and event.company_id is not None  # every change of an assignment has both
        return event.issue_id, event.company_id

    @property
    def request(self) -> tuple[str, int | None]:
        return self.event.request_id, self.number


def list_changes_of_request(
    tx: Connection, actor: Actor, request_id: str, number: int | None, since: datetime
) -> list[AssignmentChange]:
    """Returns the assignments, removals and status changes that the actor made in one request, `since` or later.

    Without a `number`, it is the last request with this id. The changes are ordered by issue, and within an issue in
    the order in which they were made.
    """
    require_helpdesk(actor)
    deleted = events.alias()
    same = deleted.c.request_id == request_id, deleted.c.request_number.is_not_distinct_from(events.c.request_number)
    query = select(events).where(
        events.c.request_id == request_id,
        events.c.actor_id == actor.user_id,
        events.c.at >= since,
        events.c.type.in_([type_.value for type_ in STATUS_CHANGES]),
        # A merge cannot be undone: the issue that its assignments come from no longer exists.
        not_(exists().where(*same, deleted.c.type == EventType.ISSUE_DELETED.value)),
    )
    if number is not None:
        query = query.where(events.c.request_number == number)
    access = actor.company_access
    if not access.all:
        query = query.where(of_visible_company(events.c.company_id, tx.dialect.name))
    rows = tx.execute(query.order_by(events.c.issue_id, events.c.event_id), access_values(tx, access))
    found = [_change(row) for row in rows]
    last = max(found, key=lambda change: change.event.event_id, default=None)
    return [change for change in found if last is not None and change.number == last.number]


def list_changed_since(tx: Connection, actor: Actor, changes: Sequence[AssignmentChange]) -> set[Place]:
    """Returns those assignments of these changes of one request which another request has changed since, unless that
    one has been undone; also those of companies that another issue had, which has been merged into this one since.

    A new owner and new references of an assignment count only if the request has assigned the company: they would be
    lost.
    """
    require_helpdesk(actor)
    changed = {change.place: change for change in reversed(changes)}
    types = (*STATUS_CHANGES, EventType.ASSIGNMENT_UPDATED)
    oldest = min((change.event.event_id for change in changed.values()), default=0)
    later: dict[Place, list[AssignmentChange]] = defaultdict(list)
    for change in _of_places(tx, actor, changed, types, events.c.event_id > oldest):
        first = changed[change.place]
        if change.event.event_id < first.event.event_id or change.request == first.request:
            continue
        if change.event.type is not EventType.ASSIGNMENT_UPDATED or first.event.type is EventType.ASSIGNMENT_CREATED:
            later[change.place].append(change)
    merged = _merged_since(tx, actor, {place: change.event.event_id for place, change in changed.items()})
    return merged.union(place for place, found in later.items() if not _all_undone(found))


def _merged_since(tx: Connection, actor: Actor, places: Mapping[Place, int]) -> set[Place]:
    """Returns those of the assignments that an issue had, too, which was merged into theirs after the given event_id.

    The merge records a change of the assignment only if it gets another status.
    """
    merge = events.alias()
    query = (
        select(merged_issues.c.into_id, merged_companies.c.company_id, merge.c.event_id)
        .join(merged_companies, merged_companies.c.issue_id == merged_issues.c.issue_id)
        .join(merge, merge.c.issue_id == merged_issues.c.issue_id)
        .where(
            among(merged_issues.c.into_id, "issues", tx.dialect.name),
            merge.c.type == EventType.ISSUE_DELETED.value,
            merge.c.event_id > min(places.values(), default=0),
        )
    )
    rows = tx.execute(query, {"issues": numbers(tx, sorted({issue_id for issue_id, _ in places}))})
    return {
        (into_id, company_id)
        for into_id, company_id, event_id in rows
        if event_id > places.get((into_id, company_id), event_id) and actor.company_access.allows(company_id)
    }


def list_removed_fields(
    tx: Connection, actor: Actor, changes: Sequence[AssignmentChange]
) -> dict[Place, dict[str, str]]:
    """Returns the owner and the references of the assignments that these changes removed, as events contain them, by
    the names of the fields; nothing for an assignment that had neither.
    """
    require_helpdesk(actor)
    deleted = EventType.ASSIGNMENT_DELETED
    removed = {change.place: change.event.event_id for change in changes if change.event.type is deleted}
    types = EventType.ASSIGNMENT_CREATED, EventType.ASSIGNMENT_UPDATED
    fields: dict[Place, dict[str, str]] = defaultdict(dict)
    for change in _of_places(tx, actor, removed, types, events.c.event_id < max(removed.values(), default=0)):
        place, event = change.place, change.event
        if event.event_id >= removed[place]:
            continue
        if event.type is EventType.ASSIGNMENT_CREATED:
            fields.pop(place, None)
        elif event.field in RESTORED and event.after is not None:
            fields[place][event.field] = event.after
        elif event.field in RESTORED:
            fields[place].pop(event.field, None)
    return fields


def _of_places(
    tx: Connection, actor: Actor, places: Collection[Place], types: Sequence[EventType], condition: ColumnElement[bool]
) -> Iterator[AssignmentChange]:
    """Yields the changes of these types about these assignments that meet a condition, in order."""
    visible = {place for place in places if actor.company_access.allows(place[1])}
    if not visible:
        return
    query = select(events).where(
        among(events.c.issue_id, "issues", tx.dialect.name),
        among(events.c.company_id, "companies", tx.dialect.name),
        events.c.type.in_([type_.value for type_ in types]),
        condition,
    )
    values = {
        "issues": numbers(tx, sorted({issue_id for issue_id, _ in visible})),
        "companies": numbers(tx, sorted({company_id for _, company_id in visible})),
    }
    for row in tx.execute(query.order_by(events.c.event_id), values):
        if (row.issue_id, row.company_id) in visible:
            yield _change(row)


def _change(row: Row[Any]) -> AssignmentChange:
    times = None if row.status_since is None else AssignmentTimes(row.status_since, row.affected_since)
    return AssignmentChange(event_from_row(row), times, row.request_number)


def _all_undone(found: Sequence[AssignmentChange]) -> bool:
    """Returns whether each of these requests has been undone; of several with the same id, as many as there are."""
    made = Counter(request_id for request_id, _ in {change.request for change in found if not change.event.undoes})
    undone = Counter(undoes for _, undoes in {(change.request, change.event.undoes) for change in found})
    return all(undone[request_id] >= count for request_id, count in made.items())
