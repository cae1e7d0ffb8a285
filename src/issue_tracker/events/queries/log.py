"""Reads of the event log by id: for readers that follow it, for validators, and for retention."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, Text, bindparam, cast, exists, func, literal_column, null, or_, select

from issue_tracker.actor import CompanyAccess
from issue_tracker.clock import iso
from issue_tracker.company_access.queries import access_values, of_visible_company
from issue_tracker.database.prepared import Prepared, instant
from issue_tracker.database.prepared import iso as stored_iso
from issue_tracker.database.tables import companies, events
from issue_tracker.database.types import Id
from issue_tracker.events.catalog import SIGN_INS, Event, EventActor, EventType
from issue_tracker.events.queries.visibility import about_visible_issue, visible_to
from issue_tracker.integers import LARGEST_ID


def get_last_event_id(tx: Connection, access: CompanyAccess, *, until: int = LARGEST_ID) -> int:
    """Returns the highest visible event_id up to `until`; 0 if there is none."""
    if access.company_ids is None:
        return tx.execute(select(func.max(events.c.event_id)).where(events.c.event_id <= until)).scalar_one() or 0
    # The end of each company's index range; events about whole issues are searched only beyond it.
    values = {"until": until, **access_values(tx, access)}
    last: int = _last_of_companies.scalar(tx, **values) or 0
    return _last_of_issues.scalar(tx, after=last, **values) or last


def _select_last_of_companies(dialect: str) -> Select[Any]:
    of_company = select(func.max(events.c.event_id)).where(events.c.company_id == companies.c.company_id, _until)
    return select(func.max(of_company.scalar_subquery())).where(of_visible_company(companies.c.company_id, dialect))


def _select_last_of_issues(dialect: str) -> Select[Any]:
    whole = about_visible_issue(lambda column: of_visible_company(column, dialect))
    beyond = events.c.event_id > bindparam("after", type_=Id), _until
    return select(events.c.event_id).where(*beyond, *whole).order_by(events.c.event_id.desc()).limit(1)


_until = events.c.event_id <= bindparam("until", type_=Id)
_last_of_companies = Prepared(_select_last_of_companies)
_last_of_issues = Prepared(_select_last_of_issues)


class LogState(msgspec.Struct, frozen=True):
    """What one transaction sees of the log: its last event and, on PostgreSQL, the snapshot.

    `mark` distinguishes the last event from one with the same id in another history, such as that of the same database
    before it was restored from a backup. If there is no event, `last_event_id` is 0 and `mark` is empty. `snapshot` is
    PostgreSQL's text, `xmin:xmax:` and the transactions in between that had not ended; None on SQLite. `sign_in` says
    whether the last event is about a sign-in or a refusal, which no data depends on. `at` is the time of the last event
    in the result of `get_visible_log_state`, and None elsewhere.
    """

    last_event_id: int
    mark: str
    snapshot: str | None
    sign_in: bool = False
    at: datetime | None = None

    def key(self, access: CompanyAccess) -> str:
        """Returns a text that changes with everything that is visible under an access; it is a part of validators.

        Every change of data records an event in its own transaction, so the last event identifies the state of all
        data; on PostgreSQL, where a late transaction may add a lower id, only together with the snapshot, which says
        which transactions are visible (docs/decisions/0005-etags.md).
        """
        return f"{self.last_event_id};{self.mark};{self.snapshot};{access.key}"


def get_visible_log_state(
    tx: Connection, access: CompanyAccess, settled: int, beyond: Sequence[int]
) -> tuple[LogState, list[int]]:
    """Returns the state of the log as if it contained only visible events. With it the ids that make it up: the last
    visible one up to `settled` (0 without any), followed by the visible ones of `beyond`.

    `beyond` are ids above `settled`, in ascending order.
    """
    ids = [get_last_event_id(tx, access, until=settled)]
    if beyond:
        ids += sorted(set(beyond).intersection(list_event_ids(tx, access, after=settled)))
    snapshot, found = ",".join(map(str, ids)), _one.row(tx, event_id=ids[-1])
    if found is None:
        return LogState(ids[-1], "", snapshot), ids
    return LogState(ids[-1], _mark(found.at, found.request_id), snapshot, at=instant(found.at)), ids


def get_log_state(tx: Connection) -> LogState:
    """Returns what this transaction sees of the log. Costs one look-up by primary key."""
    found = _state.row(tx)
    if found is None:
        return LogState(0, "", _snapshot.scalar(tx))
    return LogState(found.event_id, _mark(found.at, found.request_id), found.snapshot, found.type in SIGN_INS)


def get_data_state(tx: Connection) -> LogState:
    """Returns the state of the log as if it ended with the last event that changed data. SQLite only, where no event
    can appear below another one.
    """
    found = _data.row(tx)
    if found is None:
        return LogState(0, "", None)
    return LogState(found.event_id, _mark(found.at, found.request_id), None)


def find_mark(tx: Connection, event_id: int) -> str | None:
    """Returns the mark (see LogState) of an event; None if there is no such event, and "" for the id 0."""
    if event_id == 0:
        return ""
    found = _one.row(tx, event_id=event_id)
    return None if found is None else _mark(found.at, found.request_id)


def is_recorded(tx: Connection, request_id: str, at: datetime) -> bool:
    """Returns whether this transaction sees an event of this request and time, which belong to one transaction only."""
    return bool(tx.execute(select(exists().where(events.c.request_id == request_id, events.c.at == at))).scalar_one())


def _mark(at: Any, request_id: str) -> str:
    return hashlib.blake2b(f"{stored_iso(at)} {request_id}".encode(), digest_size=6).hexdigest()


def _current_snapshot(dialect: str) -> Any:
    return cast(func.pg_current_snapshot(), Text) if dialect == "postgresql" else null()


def _select_last(dialect: str) -> Select[Any]:
    snapshot = _current_snapshot(dialect).label("snapshot")
    query = select(events.c.event_id, events.c.at, events.c.request_id, events.c.type, snapshot)
    # Without parameters, not even this one, PostgreSQL plans the statement once. Planning takes longer than the query.
    return query.order_by(events.c.event_id.desc()).limit(literal_column("1"))


def _select_last_of_data(_dialect: str) -> Select[Any]:
    # The end of each type's index range: after a flood of sign-ins, the last change may lie far back. The types come
    # from the table, because a newer program may have recorded others than this one knows.
    types = select(func.min(events.c.type).label("type")).cte("types", recursive=True)
    following = select(func.min(events.c.type)).where(events.c.type > types.c.type).scalar_subquery()
    types = types.union_all(select(following).where(types.c.type.is_not(None)))
    of_type = select(func.max(events.c.event_id)).where(events.c.type == types.c.type).scalar_subquery()
    of_data = types.c.type.not_in([literal_column(f"'{type_.value}'") for type_ in SIGN_INS])
    last = select(func.max(of_type)).where(of_data).scalar_subquery()
    return select(events.c.event_id, events.c.at, events.c.request_id).where(events.c.event_id == last)


_state = Prepared(_select_last)
_data = Prepared(_select_last_of_data)
_snapshot = Prepared(lambda dialect: select(_current_snapshot(dialect)))
_one = Prepared(
    lambda _: select(events.c.at, events.c.request_id).where(events.c.event_id == bindparam("event_id", type_=Id))
)


def has_event(tx: Connection, access: CompanyAccess, types: tuple[EventType, ...], *, after: int) -> bool:
    """Returns whether there is an event of one of these types above `after` that is about a visible company, or about
    an issue as a whole, which may be hidden.
    """
    statement = _of_types(types, limited=not access.all)
    return statement.scalar(tx, after=after, **access_values(tx, access)) is not None


@cache
def _of_types(types: tuple[EventType, ...], *, limited: bool) -> Prepared:
    beyond = events.c.event_id > bindparam("after", type_=Id)
    of_types = events.c.type.in_([literal_column(f"'{type_.value}'") for type_ in types])
    query = select(events.c.event_id).where(beyond, of_types).limit(1)

    def build(dialect: str) -> Select[Any]:
        if not limited:
            return query
        return query.where(or_(events.c.company_id.is_(None), of_visible_company(events.c.company_id, dialect)))

    return Prepared(build)


def count_events(tx: Connection, access: CompanyAccess, *, after: int, until: int) -> int:
    """Returns the number of visible events above `after`, up to and including `until`."""
    query = select(func.count()).where(events.c.event_id > after, events.c.event_id <= until, *visible_to(tx, access))
    return int(tx.execute(query).scalar_one())


def list_event_ids(
    tx: Connection, access: CompanyAccess, *, after: int, until: int | None = None, limit: int | None = None
) -> list[int]:
    """Returns the visible event_ids above `after`, up to and including `until`, in ascending order."""
    if access.company_ids is None:
        values = {"until": LARGEST_ID if until is None else until, "most": LARGEST_ID if limit is None else limit}
        return [event_id for (event_id,) in _ids_after.all(tx, after=after, **values)]
    query = select(events.c.event_id).where(events.c.event_id > after, *visible_to(tx, access))
    if until is not None:
        query = query.where(events.c.event_id <= until)
    return list(tx.execute(query.order_by(events.c.event_id).limit(limit)).scalars())


def send_event_ids(tx: Connection, access: CompanyAccess, *, after: int, limit: int) -> Callable[[], list[int]]:
    """Returns a function that returns the same as `list_event_ids`, for unlimited access. On PostgreSQL, the statement
    is sent together with the next one.
    """
    assert access.all
    cursor = _ids_after.send(tx, after=after, until=LARGEST_ID, most=limit)
    return lambda: [event_id for (event_id,) in cursor.fetchall()]


def list_latest_event_ids(tx: Connection, access: CompanyAccess, limit: int) -> list[int]:
    """Returns the highest `limit` visible event_ids, in ascending order."""
    query = select(events.c.event_id).where(*visible_to(tx, access)).order_by(events.c.event_id.desc()).limit(limit)
    return list(tx.execute(query).scalars())[::-1]


def list_oldest_event_ids(
    tx: Connection, access: CompanyAccess, type_: EventType, *, before: datetime, limit: int
) -> list[int]:
    """Returns the ids of those of the `limit` oldest events of a type that were recorded before an instant."""
    # Ids grow with time, so the oldest events of a type come first in its index.
    query = select(events.c.event_id, events.c.at).where(events.c.type == type_.value, *visible_to(tx, access))
    rows = tx.execute(query.order_by(events.c.event_id).limit(limit))
    return [row.event_id for row in rows if row.at < before]


def list_event_ids_beyond(
    tx: Connection, access: CompanyAccess, types: Sequence[EventType], *, most: int, limit: int
) -> list[int]:
    """Returns at most `limit` ids of events of these types that are older than the newest `most` of them."""
    of_types = events.c.type.in_([type_.value for type_ in types])
    query = select(events.c.event_id).where(of_types, *visible_to(tx, access)).order_by(events.c.event_id.desc())
    return list(tx.execute(query.offset(most).limit(limit)).scalars())


def list_events(
    tx: Connection,
    access: CompanyAccess,
    *,
    after: int,
    until: int | None = None,
    audit: bool = True,
    limit: int,
) -> list[Event]:
    """Returns at most `limit` visible events above `after`, up to and including `until`, in ascending order.

    `audit` says whether to include audit events.
    """
    query = select(events).where(events.c.event_id > after, *visible_to(tx, access))
    if until is not None:
        query = query.where(events.c.event_id <= until)
    if not audit:
        query = query.where(events.c.audit.is_(False))
    return [event_from_row(row) for row in tx.execute(query.order_by(events.c.event_id).limit(limit))]


def event_from_row(row: Row[Any]) -> Event:
    """Converts a row of the table `events` to the event that every reader sees."""
    return Event(
        event_id=row.event_id,
        type=EventType(row.type),
        at=iso(row.at),
        actor=EventActor(id=row.actor_id, name=row.actor_name, channel=row.channel),
        request_id=row.request_id,
        issue_id=row.issue_id,
        issue_name=row.issue_name,
        company_id=row.company_id,
        company_name=row.company_name,
        field=row.field,
        before=row.from_value,
        after=row.to_value,
        note=row.note,
        update_id=row.update_id,
        undoes=row.undoes,
    )


# Prepared, because every list on PostgreSQL looks for gaps after the last change.
_ids_after = Prepared(
    lambda _: (
        select(events.c.event_id)
        .where(events.c.event_id > bindparam("after", type_=Id), _until)
        .order_by(events.c.event_id)
        .limit(bindparam("most", type_=Id))
    )
)
