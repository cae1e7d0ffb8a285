"""The history for people: events as sentences, with those of one request combined."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.clock import Timestamp, to_the_minute
from issue_tracker.events.audit_sentences import AUDIT_SENTENCES
from issue_tracker.events.catalog import STATUS_CHANGES, Event, EventActor, EventType, Readers
from issue_tracker.events.queries.accounts import Account, accounts_of, names_of
from issue_tracker.events.queries.existing import list_existing_companies, list_existing_issues
from issue_tracker.events.queries.history import EventGroup, HistoryFilter, find_last_event, list_event_groups
from issue_tracker.events.queries.large_requests import LargeRequest
from issue_tracker.events.type_names import ASSIGNMENT_FIELDS
from issue_tracker.status import Status

FIELD_NAMES = {"next_update_at": "time of the next update"}
"""The names of an issue's fields in the history, where they differ from those in the API."""

WITHOUT_VALUE = ("references",)
"""Fields whose new values would be too long for a sentence."""

STATUSES = frozenset(Status)

UPDATE_VERBS = {
    EventType.UPDATE_CREATED: "added",
    EventType.UPDATE_EDITED: "edited",
    EventType.UPDATE_DELETED: "withdrew",
}


class ProperName(str):
    """A name that a person chose: isolated from the sentence, because it may be written in another direction.

    `issue_id` or `company_id` is what has the name, if it still exists.
    """

    issue_id: int | None = None
    company_id: int | None = None

    @classmethod
    def of_issue(cls, issue_id: int | None, name: str | None) -> "ProperName":
        named = cls(f"“{name}”")
        named.issue_id = issue_id
        return named

    @classmethod
    def of_company(cls, company_id: int | None, name: str | None) -> "ProperName":
        named = cls(name)
        named.company_id = company_id
        return named


class Moment(str):
    """A time in UTC, as text; `iso` is the same time for pages, which show it in the time zone of the reader."""

    iso: str

    @classmethod
    def of(cls, iso: str) -> "Moment":
        """Returns a time in ISO 8601 as it is written in a sentence."""
        moment = cls(to_the_minute(iso))
        moment.iso = iso
        return moment


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a history: the actor, then `words`, which continue the sentence.

    `account` is the actor's account, if the actor is a user. `to` is the new status of assignments. `via` is the
    channel in words, unless it is a session or a receiver. `companies` are the names of the companies that one request
    changed in the same way, empty for a single one. `issues` are some of the `issue_count` issues that a large request
    changed.
    """

    actor: str
    words: Sequence[str]
    at: Timestamp
    account: Account | None = None
    to: str | None = None
    via: str | None = None
    companies: list[str] = []
    issues: list[ProperName] = []
    issue_count: int = 0
    note: str | None = None
    update_id: int | None = None  # the added update

    @property
    def day(self) -> str:
        """The day in UTC, as `YYYY-MM-DD`."""
        return self.at[:10]

    @property
    def by(self) -> str:
        """The actor's name, followed by the email address if the name alone is ambiguous."""
        return f"{self.actor} ({self.account.email})" if self.account and self.account.needed else self.actor


class History(msgspec.Struct, frozen=True):
    """Entries, the newest first, and the query of the page with older ones; None if there are none."""

    entries: list[Entry]
    more: str | None


def issue_history(tx: Connection, actor: Actor, issue_id: int, before: int | None = None) -> History:
    """Returns the history of an issue. `before` comes from `History.more`; None reads the newest entries."""
    return _history(tx, actor, HistoryFilter(issue_id=issue_id), before)


def company_history(tx: Connection, actor: Actor, company_id: int, before: int | None = None) -> History:
    """Returns the history of a company's assignments. `before` as for issue_history."""
    return _history(tx, actor, HistoryFilter(company_id=company_id), before)


def activity(tx: Connection, actor: Actor, wanted: HistoryFilter, before: int | None = None) -> History:
    """Returns the whole history. Includes audit events only if their type is selected, and only for super admins."""
    return _history(tx, actor, wanted, before)


def last_edit(tx: Connection, actor: Actor, issue_id: int, fields: Sequence[str]) -> Entry | None:
    """Returns who last changed one of these fields of an issue, and when; None if nobody did."""
    found = find_last_event(tx, actor, [EventType.ISSUE_UPDATED], issue_id, fields=fields)
    return None if found is None else _alone(tx, actor, found)


def last_assignment_change(tx: Connection, actor: Actor, issue_id: int, company_id: int) -> Entry:
    """Returns who last assigned a company to an issue, changed its status there or unassigned it, and when."""
    found = find_last_event(tx, actor, STATUS_CHANGES, issue_id, company_id)
    return Entry(actor="Someone", words=(), at="") if found is None else _alone(tx, actor, found)


def _history(tx: Connection, actor: Actor, wanted: HistoryFilter, before: int | None) -> History:
    page = list_event_groups(tx, actor, wanted, before=before)
    more = None if page.older_than is None else f"?{urlencode({'before': page.older_than})}"
    naming = {"issue": wanted.issue_id is None, "company": wanted.company_id is None}
    return History(entries_of(tx, actor, page.groups, **naming), more)


def _alone(tx: Connection, actor: Actor, event: Event) -> Entry:
    return entries_of(tx, actor, [EventGroup(event, 1, [])], issue=False, company=False)[0]


def entries_of(
    tx: Connection, actor: Actor, groups: Sequence[EventGroup], *, issue: bool, company: bool
) -> list[Entry]:
    """Returns groups of the history as entries. `issue` and `company`: whether the sentences name them."""
    accounts = accounts_of(tx, {group.newest.actor for group in groups})
    issues = {group.newest.issue_id for group in groups}.union(*(group.large.names for group in groups if group.large))
    existing = Existing(
        list_existing_issues(tx, actor.company_access, issues),
        list_existing_companies(tx, actor.company_access, {group.newest.company_id for group in groups}),
        names_of(tx, {group.newest.after for group in groups if group.newest.field == "owner" and group.newest.after}),
    )
    return [_entry(group, accounts.get(group.newest.actor), existing, issue, company) for group in groups]


class Existing(msgspec.Struct, frozen=True):
    """The ids of issues and companies in a history that still exist, so that their names become links, and the names
    of owners by their email addresses.
    """

    issues: set[int]
    companies: set[int]
    owners: dict[str, str]

    def issue(self, issue_id: int | None, name: str | None) -> ProperName:
        return ProperName.of_issue(issue_id if issue_id in self.issues else None, name)

    def owner(self, email: str) -> ProperName:
        return ProperName(self.owners.get(email, email))

    def company(self, company_id: int | None, name: str | None) -> ProperName:
        return ProperName.of_company(company_id if company_id in self.companies else None, name)


def _entry(group: EventGroup, account: Account | None, existing: Existing, issue: bool, company: bool) -> Entry:
    event = group.newest
    if group.large is not None:
        return Entry(
            actor=event.actor.name,
            account=account,
            words=[_all_of(group.large)],
            at=event.at,
            via=_via(event.actor),
            issues=[existing.issue(issue_id, name) for issue_id, name in group.large.names.items()],
            issue_count=group.large.issues,
        )
    about_assignment = event.type.value.startswith("assignment.")
    words = _words(group, existing, about_assignment, issue=issue, company=company)
    return Entry(
        actor=event.actor.name,
        account=account,
        words=[*(word for word in words if word), *(["(undone)"] if event.undoes else [])],
        at=event.at,
        to=event.after if about_assignment and event.after in STATUSES else None,
        via=_via(event.actor),
        companies=group.company_names if group.count > 1 else [],
        # The note of an old event about a changed description repeats the field, because `field` did not exist yet.
        note=None if event.note == event.field else event.note,
        update_id=event.update_id if event.type is EventType.UPDATE_CREATED else None,
    )


def _via(actor: EventActor) -> str | None:
    """Returns the channel in words; None for a session, and for a receiver, whose name is that of the actor."""
    kind, _, name = actor.channel.partition(":")
    if kind in ("session", "receiver"):
        return None
    return "command line" if kind == "cli" else f"{kind} {name}"


def _words_of_fields(event: Event, existing: Existing, issue_name: str, *, issue: bool) -> Iterator[str]:
    """Yields the words about a changed field of an issue."""
    if event.field == "name":
        yield from ("renamed", ProperName(f"“{event.before}”"), "to", issue_name)
    elif event.field == "merged":
        yield from ("merged", ProperName(f"“{event.before}”"), "into", issue_name if issue else "this issue")
    elif event.field is None or event.field == "description":
        changed = f"changed the {event.field}" if event.field else "changed"
        yield from (f"{changed} of", issue_name) if issue else (changed,)
    else:
        name = FIELD_NAMES.get(event.field, event.field.replace("_", " "))
        yield f"{'set' if event.after else 'cleared'} the {name}"
        yield from ("of", issue_name) if issue else ()
        if event.after and event.field == "next_update_at":
            yield "to"
            yield Moment.of(event.after)
        elif event.after and event.field == "owner":
            yield from ("to", existing.owner(event.after))
        elif event.after and event.field not in WITHOUT_VALUE:
            yield f"to {event.after}"


def _all_of(large: LargeRequest) -> str:
    """Returns one sentence about everything that a large request did."""
    said = {
        "created {} issue": large.types.get(EventType.ISSUE_CREATED, 0),
        "added companies {} time": large.types.get(EventType.ASSIGNMENT_CREATED, 0),
        "changed {} status": large.types.get(EventType.ASSIGNMENT_STATUS_CHANGED, 0),
        "removed companies {} time": large.types.get(EventType.ASSIGNMENT_DELETED, 0),
        "deleted {} issue": large.types.get(EventType.ISSUE_DELETED, 0),
    }
    said["made {} other change"] = sum(large.types.values()) - sum(said.values())
    parts = [_counted(text, number) for text, number in said.items() if number]
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) + f", in {large.issues} issues"


def _counted(text: str, number: int) -> str:
    plural = "" if number == 1 else "es" if text.endswith("status") else "s"
    return text.format(f"{number:,}") + plural


def _words(
    group: EventGroup, existing: Existing, about_assignment: bool, *, issue: bool, company: bool
) -> Iterator[str]:
    event = group.newest
    issue_name = existing.issue(event.issue_id, event.issue_name)
    who = f"{group.count} companies" if group.count > 1 else existing.company(event.company_id, event.company_name)
    # Other fields of assignments have values that are not statuses.
    label = Status(event.after).label if about_assignment and event.after in STATUSES else ""
    match event.type:
        case EventType.ISSUE_CREATED:
            yield from ("created", issue_name if issue else "the issue")
        case EventType.ISSUE_DELETED if event.after:
            yield from ("merged", issue_name, "into", ProperName(f"“{event.after}”"))
        case EventType.ISSUE_DELETED:
            yield from ("deleted", issue_name)
        case EventType.ISSUE_UPDATED:
            yield from _words_of_fields(event, existing, issue_name, issue=issue)
        case EventType.UPDATE_CREATED | EventType.UPDATE_EDITED | EventType.UPDATE_DELETED:
            verb = UPDATE_VERBS[event.type]
            yield f"{verb} {'a public' if Readers.PUBLIC in (event.before, event.after) else 'an internal'} update"
            yield from ("on", issue_name) if issue else ()
            yield from ("for", ProperName(event.company_name)) if company and event.company_name else ()
        case EventType.ASSIGNMENT_UPDATED:
            yield f"{'set' if event.after else 'cleared'} {ASSIGNMENT_FIELDS[event.field or '']} of"
            yield from (who, "in", issue_name) if issue and company else (who if company else issue_name,)
            yield from ("to", existing.owner(event.after)) if event.after and event.field == "owner" else ()
        case EventType.ASSIGNMENT_CREATED:
            yield from ("added", who) if company else ("added the company to", issue_name)
            yield from ("to", issue_name) if issue and company else ()
            yield f"as {label}"
        case EventType.ASSIGNMENT_STATUS_CHANGED:
            yield from ("set", who if company else issue_name, f"to {label}")
            yield from ("in", issue_name) if issue and company else ()
        case EventType.ASSIGNMENT_DELETED:
            yield from ("removed", who) if company else ("removed the company from", issue_name)
            yield from ("from", issue_name) if issue and company else ()
        case _:
            yield from (
                AUDIT_SENTENCES.get(event.type, event.type.value),
                existing.company(event.company_id, event.company_name or event.after or ""),
            )
