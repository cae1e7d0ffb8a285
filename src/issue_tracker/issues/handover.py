"""What happened to issues since a given time, and what is left to do: the information that one shift gives the next."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.clock import iso
from issue_tracker.events.catalog import EventType
from issue_tracker.events.queries.history import EventGroup, HistoryFilter, list_event_groups
from issue_tracker.events.sentences import Entry, entries_of
from issue_tracker.issues.models import Issue
from issue_tracker.issues.overview import StatusCounts, count_statuses, is_overdue, stragglers_first
from issue_tracker.issues.queries.filters import Filters, Order
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.queries.outages import Outage, list_longest_outages
from issue_tracker.issues.updates.queries import PlacedUpdate, UpdateFilters, list_updates

PAGES = 8
"""Maximum number of pages of the history to read, each of about sixty entries. The activity page shows older ones."""

UPDATES, OVERDUE, LONGEST = 200, 50, 10
"""Maximum numbers of updates, overdue issues and long outages to show."""


class Became(StrEnum):
    """How an issue changed during the period."""

    STARTED = "started"
    CHANGED = "changed"
    ENDED = "ended"


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one issue, in chronological order. `issue_id` and `facts`, which is the present issue, are
    None if the issue was deleted, or merged into another one.
    """

    issue_id: int | None
    name: str
    became: Became
    facts: Issue | None
    overdue: bool
    open: int
    total: int
    status_counts: StatusCounts
    entries: list[Entry]
    updates: list[PlacedUpdate]
    merged: bool = False


class Due(msgspec.Struct, frozen=True):
    """An issue whose next update is overdue, and the time at which it was due."""

    issue_id: int
    name: str
    since: str
    owner: str | None


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """Everything between two instants: `stories` of the issues, the last changed issue first; `large` requests, which
    changed many issues; and the number of changes by each person. Also the state at the end: which updates are overdue,
    and the longest outages. `more`: the history is longer than what was read.
    """

    since: datetime
    at: datetime
    stories: list[Story]
    large: list[Entry]
    people: list[tuple[str, int]]
    overdue: list[Due]
    longest: list[Outage]
    more: bool

    def became(self, what: str) -> list[Story]:
        """Returns the stories of the issues that changed in this way."""
        return [story for story in self.stories if story.became == what]


def read_handover(tx: Connection, actor: Actor, since: datetime, at: datetime) -> Handover:
    """Returns what the actor can see of the period from `since` until `at` (both time zone aware).

    Raises Forbidden without helpdesk access.
    """
    groups, more = _groups(tx, actor, since)
    # The history of an issue is shown below its name, so the entries do not repeat it.
    entries = entries_of(tx, actor, groups, issue=False, company=True)
    updates_since = list_updates(tx, actor, UpdateFilters(written_since=since), limit=UPDATES)
    by_issue: dict[int, list[tuple[EventGroup, Entry]]] = {}
    large, people = [], dict[str, int]()
    for group, entry in zip(groups, entries, strict=True):
        people[entry.by] = people.get(entry.by, 0) + 1
        if group.large is not None:
            large.append(entry)
        elif group.newest.issue_id is not None:
            by_issue.setdefault(group.newest.issue_id, []).append((group, entry))
    overdue = IssueList(tx, actor, Filters(overdue=True, at=at), Order("attention"))
    return Handover(
        since=since,
        at=at,
        stories=_stories(tx, actor, by_issue, updates_since.updates, at),
        large=large,
        people=sorted(people.items(), key=lambda person: (-person[1], person[0])),
        overdue=[
            Due(issue.issue_id, issue.name, issue.next_update_at or iso(at), issue.owner.name if issue.owner else None)
            for issue in overdue.load(overdue.rows(OVERDUE))
        ],
        longest=list_longest_outages(tx, actor, limit=LONGEST),
        more=more or updates_since.more,
    )


def _groups(tx: Connection, actor: Actor, since: datetime) -> tuple[list[EventGroup], bool]:
    """Returns the history since a time, the newest first, and whether it continues."""
    found: list[EventGroup] = []
    before = None
    for _ in range(PAGES):
        page = list_event_groups(tx, actor, HistoryFilter(since=since), before=before)
        found += page.groups
        before = page.older_than
        if before is None:
            return found, False
    return found, True


def _stories(
    tx: Connection,
    actor: Actor,
    by_issue: dict[int, list[tuple[EventGroup, Entry]]],
    updates: Sequence[PlacedUpdate],
    at: datetime,
) -> list[Story]:
    present = {issue.issue_id: issue for issue in IssueList(tx, actor).load_shown(list(by_issue))}
    shown = {placed.update.update_id for placed in updates}
    stories = []
    for issue_id, happened in by_issue.items():
        issue = present.get(issue_id)
        members = [] if issue is None else stragglers_first(issue, at)
        left = sum(member.open for member in members)
        events = [group.newest for group, _ in happened]
        types = {event.type for event in events}
        # The event of a merged issue contains the name of the other one.
        merged = any(event.type is EventType.ISSUE_DELETED and event.after for event in events)
        ended = issue is None or (bool(members) and not left and bool(types & _ENDING))
        stories.append(
            Story(
                issue_id=None if issue is None else issue_id,
                name=happened[0][0].newest.issue_name or "" if issue is None else issue.name,
                became=Became.ENDED
                if ended
                else Became.STARTED
                if EventType.ISSUE_CREATED in types
                else Became.CHANGED,
                facts=issue,
                overdue=issue is not None and is_overdue(issue, at),
                open=left,
                total=len(members),
                status_counts=count_statuses(members),
                # The text of an update replaces the entry that says that there is one.
                entries=[entry for group, entry in reversed(happened) if group.newest.update_id not in shown],
                updates=[placed for placed in reversed(updates) if placed.issue_id == issue_id],
                merged=merged,
            )
        )
    return stories


_ENDING = {EventType.ASSIGNMENT_STATUS_CHANGED, EventType.ASSIGNMENT_CREATED, EventType.ASSIGNMENT_DELETED}
