"""Records events: in the transaction of the change, in batches, and never changed afterwards."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Insert, Text, bindparam, cast, func, insert, text

from issue_tracker.actor import ALL_COMPANIES, Actor
from issue_tracker.clock import iso
from issue_tracker.database.commit_topics import CommitTopic, notify_on_commit
from issue_tracker.database.lost_commits import leave_trace
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import events
from issue_tracker.events.catalog import Change, Event, EventActor
from issue_tracker.events.messages import outbox
from issue_tracker.events.queries.log import get_last_event_id, is_recorded
from issue_tracker.names import key


def record(
    tx: Connection,
    actor: Actor,
    changes: Sequence[Change],
    at: datetime,
    *,
    notify: bool = True,
    about_webhook: int | None = None,
) -> None:
    """Records what `actor` did at `at`, in the given order. Does not commit. Call it as the last step of an operation.

    Webhooks receive one message for everything that the transaction records, unless `notify` is false; the stream and
    the history contain the events in any case. `about_webhook` is the id of the webhook that the events are about,
    which receives nothing.

    On PostgreSQL, event ids come from `next_event_id()`, on which readers of the log rely
    (docs/decisions/0004-event-order.md).
    """
    if not changes:
        return
    notify_on_commit(tx, CommitTopic.EVENTS)
    rows = [_row(actor, change, at) for change in changes]
    if not notify or not outbox(tx).subscriptions:
        _insert_all(tx, rows)
        return
    numbers = _insert_numbered(tx, rows)
    recorded = [_event(number, actor, change, at) for number, change in zip(numbers, changes, strict=True)]
    outbox(tx).add(recorded, at, about_webhook)


def _insert_all(tx: Connection, rows: list[dict[str, Any]]) -> None:
    """Inserts the rows."""
    if tx.dialect.name == "sqlite":
        _insert.run_many(tx, rows)
        return
    recorded = partial(is_recorded, request_id=rows[0]["request_id"], at=rows[0]["at"])
    _insert.run_many(tx, rows[:-1])
    leave_trace(tx, _insert_one.scalar(tx, **rows[-1]), recorded)


def _insert_numbered(tx: Connection, rows: list[dict[str, Any]]) -> Sequence[int]:
    """Inserts the rows and returns their event ids."""
    if tx.dialect.name == "postgresql":
        query = text("SELECT next_event_id(), CAST(pg_current_xact_id() AS text) FROM generate_series(1, :count)")
        found = tx.execute(query, {"count": len(rows)}).all()
        numbers = sorted(number for number, _ in found)
        tx.execute(insert(events), [{"event_id": number, **row} for number, row in zip(numbers, rows, strict=True)])
        leave_trace(tx, found[0][1], partial(is_recorded, request_id=rows[0]["request_id"], at=rows[0]["at"]))
        return numbers
    tx.execute(insert(events), rows)
    # No other writer can insert meanwhile, so these are the last ids.
    last = get_last_event_id(tx, ALL_COMPANIES)
    return range(last - len(rows) + 1, last + 1)


_xid = cast(func.pg_current_xact_id(), Text).label("xid")


def _insertion(dialect: str) -> Insert:
    given = {column.name: bindparam(column.name, type_=column.type) for column in events.c if column.name != "event_id"}
    statement = insert(events).values(given)
    return statement.values(event_id=func.next_event_id()) if dialect == "postgresql" else statement.inline()


_insert = Prepared(_insertion)
_insert_one = Prepared(lambda dialect: _insertion(dialect).returning(_xid))


def _row(actor: Actor, change: Change, at: datetime) -> dict[str, Any]:
    issue, company = change.issue, change.company
    return {
        "type": change.type.value,
        "audit": change.type.audit,
        "at": at,
        "actor_id": actor.user_id,
        "actor_name": actor.name,
        "channel": actor.channel,
        "request_id": actor.request_id,
        "request_number": actor.request_number,
        "issue_id": issue.id if issue else None,
        "issue_name": issue.name if issue else None,
        "issue_key": key(issue.name) if issue else None,
        "company_id": company.id if company else None,
        "company_name": company.name if company else None,
        "company_key": key(company.name) if company else None,
        "field": change.field,
        "from_value": change.before,
        "to_value": change.after,
        "note": change.note,
        "update_id": change.update_id,
        "undoes": change.undoes,
        "status_since": change.times and change.times.status_since,
        "affected_since": change.times and change.times.affected_since,
    }


def _event(number: int, actor: Actor, change: Change, at: datetime) -> Event:
    issue, company = change.issue, change.company
    return Event(
        event_id=number,
        type=change.type,
        at=iso(at),
        actor=EventActor(id=actor.user_id, name=actor.name, channel=actor.channel),
        request_id=actor.request_id,
        issue_id=issue.id if issue else None,
        issue_name=issue.name if issue else None,
        company_id=company.id if company else None,
        company_name=company.name if company else None,
        field=change.field,
        before=change.before,
        after=change.after,
        note=change.note,
        update_id=change.update_id,
        undoes=change.undoes,
    )
