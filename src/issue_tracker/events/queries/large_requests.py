"""Requests that changed many issues, such as imports: the history shows each as a single entry."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, not_, select

from issue_tracker.actor import CompanyAccess
from issue_tracker.database.tables import events
from issue_tracker.events.catalog import EventType
from issue_tracker.events.queries.visibility import visible_to

LARGE = 5
"""Number of changed issues from which a request is shown as a single entry."""

ONE_REQUEST = timedelta(minutes=1)
"""Maximum time between the events of one request. In those of earlier programs, only the request id distinguishes it,
and a client may send the same id repeatedly.
"""

SEARCHED = 200_000
"""How many event_ids before and after an event are searched for the other events of its request."""

LISTED = 100
"""Maximum number of issues that are named."""


class LargeRequest(msgspec.Struct, frozen=True):
    """What one request did to many issues: the number of events of each type, and the names of some issues, by id.

    `issues` counts all of them. The events lie between `earliest` and `latest`.
    """

    request_id: str
    request_number: int | None
    earliest: datetime
    latest: datetime
    newest_id: int
    types: dict[EventType, int]
    issues: int
    names: dict[int, str]

    def covers(self, row: Row[Any]) -> bool:
        """Returns whether an event belongs to this request."""
        return request_of(row) == request_of(self) and self.earliest <= row.at <= self.latest

    @property
    def others(self) -> ColumnElement[bool]:
        """The condition that an event does not belong to this request."""
        return not_(and_(*_of_request(self), events.c.at.between(self.earliest, self.latest)))


def request_of(event: Row[Any] | LargeRequest) -> tuple[str, int | None]:
    """Returns what distinguishes the request of an event, besides its time."""
    return event.request_id, event.request_number


def _of_request(event: Row[Any] | LargeRequest) -> list[ColumnElement[bool]]:
    """Returns the conditions that an event has the same `request_of`."""
    same_number = events.c.request_number.is_not_distinct_from(event.request_number)
    return [events.c.request_id == event.request_id, same_number]


def find_large_requests(
    tx: Connection, access: CompanyAccess, conditions: Sequence[ColumnElement[bool]], rows: Sequence[Row[Any]]
) -> list[LargeRequest]:
    """Returns those of the requests of these events (newest first) that changed many issues, under the conditions."""
    issues: dict[tuple[str, int | None], set[int]] = {}
    first: dict[tuple[str, int | None], Row[Any]] = {}
    for row in rows:
        if row.request_id:
            issues.setdefault(request_of(row), set()).add(row.issue_id)
            first.setdefault(request_of(row), row)
    # The first and the last request may be incomplete here: the rest of their events is not among these.
    ends = {request_of(row) for row in (*rows[:1], *rows[-1:])}
    suspected = [row for request, row in first.items() if len(issues[request]) > 1 or request in ends]
    found = (_find(tx, [*conditions, *visible_to(tx, access)], row) for row in suspected)
    return [request for request in found if request is not None]


def _find(tx: Connection, conditions: Sequence[ColumnElement[bool]], row: Row[Any]) -> LargeRequest | None:
    earliest, latest = row.at - ONE_REQUEST, row.at + ONE_REQUEST
    of_request = [
        *conditions,
        *_of_request(row),
        events.c.event_id.between(row.event_id - SEARCHED, row.event_id + SEARCHED),
        events.c.at.between(earliest, latest),
    ]
    counted = select(events.c.type, func.count().label("n"), func.max(events.c.event_id).label("newest"))
    total = select(func.count(events.c.issue_id.distinct())).where(*of_request)
    issues = tx.execute(total).scalar_one()
    if issues < LARGE:
        return None
    types = tx.execute(counted.where(*of_request).group_by(events.c.type)).all()
    newest = func.max(events.c.event_id)
    names = (
        select(events.c.issue_id, func.max(events.c.issue_name).label("name"))
        .where(*of_request, events.c.issue_id.is_not(None))
        .group_by(events.c.issue_id)
        .order_by(newest.desc())
        .limit(LISTED)
    )
    return LargeRequest(
        request_id=row.request_id,
        request_number=row.request_number,
        earliest=earliest,
        latest=latest,
        newest_id=max(each.newest for each in types),
        types={EventType(each.type): each.n for each in types},
        issues=issues,
        names={each.issue_id: each.name for each in tx.execute(names)},
    )
