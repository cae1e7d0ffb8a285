"""What happened, told to people: events as sentences, those of one request together."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.clock import iso
from issue_tracker.database.tables import events
from issue_tracker.events.catalog import EventType
from issue_tracker.names import key, storable, whole_number
from issue_tracker.status import Status

READ = 400
"""How many events one page looks at."""

ENTRIES = 60
"""How many entries it shows of them."""

DOTTED = {
    EventType.COMPANY_CREATED: "added the company",
    EventType.COMPANY_UPDATED: "changed the company",
    EventType.COMPANY_DELETED: "deleted the company",
    EventType.USER_CREATED: "added the user",
    EventType.USER_UPDATED: "changed the user",
    EventType.SESSION_CREATED: "signed in",
    EventType.SESSION_FAILED: "failed to sign in",
    EventType.TOKEN_CREATED: "made the token",
    EventType.TOKEN_DELETED: "revoked the token",
    EventType.WEBHOOK_CREATED: "added the webhook",
    EventType.WEBHOOK_UPDATED: "changed the webhook",
    EventType.WEBHOOK_DELETED: "deleted the webhook",
    EventType.WEBHOOK_DISABLED: "saw a webhook switched off:",
}


class Name(str):
    """What somebody called something: shown apart from the sentence, whichever way it is written."""

    __slots__ = ()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a history. `companies` names them where one request changed several in the same way."""

    actor: str
    words: Sequence[str]
    at: str
    to: str | None = None
    via: str | None = None
    companies: list[str] = []
    note: str | None = None

    @property
    def by(self) -> str:
        return self.actor


class History(msgspec.Struct, frozen=True):
    """Entries, newest first, and the query that leads to older ones."""

    entries: list[Entry]
    more: str | None


def issue_history(tx: Connection, actor: Actor, issue_id: int, before: str = "") -> History:
    """What happened to an issue."""
    return _history(tx, actor, [events.c.issue_id == issue_id, events.c.audit.is_(False)], before, issue=False)


def company_history(tx: Connection, actor: Actor, company_id: int, before: str = "") -> History:
    """What happened to a company's assignments."""
    return _history(tx, actor, [events.c.company_id == company_id, events.c.audit.is_(False)], before, company=False)


def activity(
    tx: Connection, actor: Actor, *, issue_name: str, company_name: str, type_: EventType | None, before: str = ""
) -> History:
    """What happened at all. The audit shows only where its type is asked for, to super admins."""
    if not (storable(issue_name) and storable(company_name)):
        return History([], None)
    audit = type_ is not None and type_.audit and actor.super_admin
    conditions: list[ColumnElement[bool]] = [events.c.audit.is_(audit)]
    if type_ is not None:
        conditions.append(events.c.type == type_.value)
    if issue_name:
        conditions.append(events.c.issue_key == key(issue_name))
    if company_name:
        conditions.append(events.c.company_key == key(company_name))
    return _history(tx, actor, conditions, before)


def last_edit(tx: Connection, actor: Actor, issue_id: int) -> Entry | None:
    """Who last changed an issue's name or description, and when."""
    conditions = [events.c.issue_id == issue_id, events.c.type == EventType.ISSUE_UPDATED.value]
    found = _history(tx, actor, conditions, "").entries
    return found[0] if found else None


def last_move(tx: Connection, actor: Actor, issue_id: int, company_id: int) -> Entry:
    """Who last assigned, moved or took off a company in an issue, and when."""
    conditions = [events.c.issue_id == issue_id, events.c.company_id == company_id, events.c.audit.is_(False)]
    found = _history(tx, actor, conditions, "").entries
    return found[0] if found else Entry(actor="Someone", words=(), at="")


def _history(
    tx: Connection,
    actor: Actor,
    conditions: Sequence[ColumnElement[bool]],
    before: str,
    *,
    issue: bool = True,
    company: bool = True,
) -> History:
    require_helpdesk(actor)
    query = select(events).where(*conditions).order_by(events.c.event_id.desc()).limit(READ)
    if (newest := whole_number(before)) is not None:
        query = query.where(events.c.event_id < newest)
    rows = tx.execute(query).all()
    entries: list[Entry] = []
    last = 0
    for _, together in groupby(rows, key=_together):
        if len(entries) == ENTRIES:
            break
        members = list(together)
        last = members[-1].event_id
        entries.append(_entry(members, issue=issue, company=company))
    more = len(rows) == READ or (bool(rows) and last > rows[-1].event_id)
    return History(entries, f"?{urlencode({'before': last})}" if more else None)


def _together(row: Row[Any]) -> tuple[Any, ...]:
    """Equal for events that read as one: what a request did to several companies of an issue."""
    alone = row.event_id if not row.type.startswith("assignment.") or not row.request_id else None
    return (row.request_id, row.type, row.issue_id, row.to_value, row.note, alone)


def _entry(rows: Sequence[Row[Any]], *, issue: bool, company: bool) -> Entry:
    row = rows[0]
    type_ = EventType(row.type)
    names = sorted({each.company_name for each in rows if each.company_name}, key=key) if len(rows) > 1 else []
    statuses = {status.value for status in Status}
    return Entry(
        actor=row.actor_name,
        words=[word for word in _words(row, type_, len(rows), issue=issue, company=company) if word],
        at=iso(row.at),
        to=row.to_value if row.to_value in statuses and type_.value.startswith("assignment.") else None,
        via=None if row.channel == "session" else row.channel,
        companies=names,
        # The note of a changed description repeats the field: it is from before there was `field`.
        note=None if row.note == row.field else row.note,
    )


def _words(row: Row[Any], type_: EventType, count: int, *, issue: bool, company: bool) -> Iterator[str]:
    named = Name(f"“{row.issue_name}”")
    who = f"{count} companies" if count > 1 else Name(row.company_name)
    label = Status(row.to_value).label if row.to_value and type_.value.startswith("assignment.") else ""
    match type_:
        case EventType.ISSUE_CREATED:
            yield from ("created", named if issue else "the issue")
        case EventType.ISSUE_DELETED:
            yield from ("deleted", named)
        case EventType.ISSUE_UPDATED if row.field == "name":
            yield from ("renamed", Name(f"“{row.from_value}”"), "to", named)
        case EventType.ISSUE_UPDATED:
            changed = f"changed the {row.field.replace('_', ' ')}" if row.field else "changed"
            yield from (f"{changed} of", named) if issue else (changed,)
        case EventType.ASSIGNMENT_CREATED:
            yield from ("added", who) if company else ("added to", named)
            yield from ("to", named) if issue and company else ()
            yield f"as {label}"
        case EventType.ASSIGNMENT_STATUS_CHANGED:
            yield from ("set", who if company else named, f"to {label}")
            yield from ("on", named) if issue and company else ()
        case EventType.ASSIGNMENT_DELETED:
            yield from ("removed", who) if company else ("removed from", named)
            yield from ("from", named) if issue and company else ()
        case _:
            yield from (DOTTED.get(type_, type_.value), Name(row.company_name or row.to_value or ""))
