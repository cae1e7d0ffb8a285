"""A second implementation of the rules for issues and assignments, in plain Python, with which tests compare the
product.

Every operation takes effect at `Model.now` and returns the events that it must record. It raises Refused with the
status of the HTTP response if the request must be refused; then nothing has changed.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

STATUSES = ("new", "investigating", "in_progress", "monitoring", "resolved", "closed")
OPEN = STATUSES[:4]
UNDO_WITHIN = timedelta(minutes=15)


class Refused(Exception):
    """The operation must be refused."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Event(NamedTuple):
    """The expected event in the history. `note` is compared only for assignments."""

    type: str
    issue_name: str
    company_name: str | None = None
    before: str | None = None
    after: str | None = None
    note: str | None = None


@dataclass
class Member:
    """The assignment of a company."""

    status: str
    updated_at: datetime


@dataclass
class Issue:
    """An issue and its assignments by company name. `number` distinguishes it from a later issue with the same name."""

    number: int
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    members: dict[str, Member] = field(default_factory=dict)


class Row(NamedTuple):
    """One row of an imported file."""

    name: str
    description: str
    company: str | None
    status: str | None


class Done(NamedTuple):
    """The undoable changes of an earlier request: issue number, company, before, after. None: not assigned."""

    at: datetime
    changes: list[tuple[int, str, str | None, str | None]]


class Recorded(NamedTuple):
    """A change of an assignment, by the number of the issue and the company: by which request, and which it undoes."""

    number: int
    company: str
    request_id: str
    undoes: str | None


def key(name: str) -> str:
    """Returns a key that is equal for names that the contract considers equal (section 1)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def contradictory(rows: Sequence[Row]) -> bool:
    """Returns whether the rows of an import contain two descriptions of one issue."""
    described = {(key(row.name), row.description) for row in rows if row.description}
    return len(described) > len({name for name, _ in described})


class Model:
    """All issues by the key of their names, and the undoable changes by request id."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.issues: dict[str, Issue] = {}
        self.requests: dict[str, Done] = {}
        self._history: list[Recorded] = []
        self._undoes: str | None = None
        self._numbers = count(1)
        self._changes: list[tuple[int, str, str | None, str | None]] = []

    def totals(self) -> dict[str, int]:
        """Returns the number of assignments in each status."""
        found = Counter(member.status for issue in self.issues.values() for member in issue.members.values())
        return {status: found[status] for status in STATUSES}

    def listed(self, status: str) -> int:
        """Returns the number of issues with an assignment in this status."""
        return sum(any(member.status == status for member in issue.members.values()) for issue in self.issues.values())

    def open_issues(self, company: str) -> int:
        """Returns the number of issues that are open for this company."""
        return sum(company in issue.members and issue.members[company].status in OPEN for issue in self.issues.values())

    def remember(self, request_id: str) -> None:
        """Stores the changes since the last call under this request, so that they can be undone."""
        self.requests[request_id] = Done(self.now, self._changes)
        self._record(request_id)

    def create(self, name: str, description: str = "", members: Mapping[str, str | None] = {}) -> list[Event]:
        """POST /api/issues."""
        if key(name) in self.issues:
            raise Refused(400)
        issue = Issue(next(self._numbers), name, description or None, self.now, self.now)
        self.issues[key(name)] = issue
        events = [Event("issue.created", name)]
        return events + [self._set(issue, company, status or "new") for company, status in members.items()]

    def set_status(self, name: str, company: str, status: str, note: str | None = None) -> list[Event]:
        """PUT /api/issues/status."""
        issue = self._get(name)
        held = issue.members.get(company)
        return [] if held and held.status == status else [self._set(issue, company, status, note)]

    def bulk(
        self,
        name: str,
        status: str,
        companies: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        from_: Sequence[str] | None = None,
        note: str | None = None,
        *,
        dry_run: bool = False,
    ) -> tuple[dict[str, str], list[Event]]:
        """POST /api/issues/status/bulk; also returns the outcome for each company."""
        issue = self._get(name)
        outcomes = {
            company: self._outcome(issue, company, status, exclude, from_)
            for company in (list(issue.members) if companies is None else companies)
        }
        if dry_run:
            return outcomes, []
        changed = [company for company, outcome in outcomes.items() if outcome == "changed"]
        return outcomes, [self._set(issue, company, status, note) for company in changed]

    @staticmethod
    def _outcome(issue: Issue, company: str, status: str, exclude: Sequence[str], from_: Sequence[str] | None) -> str:
        held = issue.members.get(company)
        current = held.status if held else None
        if company in exclude:
            return "skipped"
        if current == status:
            return "unchanged"
        movable = current != "closed" if from_ is None else current in from_
        return "changed" if movable else "skipped"

    def update(
        self,
        name: str,
        new_name: str | None = None,
        description: str | None = None,
        add: Mapping[str, str | None] = {},
    ) -> list[Event]:
        """PUT /api/issues/{issue_name}."""
        issue = self._get(name)
        events = []
        if new_name is not None and new_name != issue.name:
            if self.issues.get(key(new_name), issue) is not issue:
                raise Refused(400)
            del self.issues[key(issue.name)]
            events.append(Event("issue.updated", new_name, before=issue.name, after=new_name))
            issue.name = new_name
            self.issues[key(new_name)] = issue
        if description is not None and (description or None) != issue.description:
            issue.description = description or None
            events.append(Event("issue.updated", issue.name))
        for company, status in add.items():
            held = issue.members.get(company)
            if held is None or status not in (None, held.status):
                events.append(self._set(issue, company, status or "new"))
        if events:
            issue.updated_at = self.now
        return events

    def unassign(self, name: str, company: str) -> list[Event]:
        """DELETE /api/issues/status."""
        issue = self._get(name)
        if company not in issue.members:
            raise Refused(404)
        return [self._remove(issue, company)]

    def delete(self, name: str) -> list[Event]:
        """DELETE /api/issues/{issue_name}."""
        issue = self._get(name)
        del self.issues[key(name)]
        return [Event("issue.deleted", issue.name)]

    def import_rows(self, rows: Sequence[Row]) -> list[Event]:
        """`issue-tracker issue import`: the rows of one issue count as one operation, and any of them may contain its
        description.
        """
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(key(row.name), []).append(row)
        events = []
        for group in groups.values():
            first, members = group[0], {row.company: row.status for row in group if row.company}
            description = max(row.description for row in group)
            if key(first.name) in self.issues:
                events += self.update(first.name, description=description or None, add=members)
            else:
                events += self.create(first.name, description, members)
        self._record("import")
        return events

    def undo(self, request_id: str) -> list[Event]:
        """POST /undo: each assignment returns to its former status, unless it has been changed since."""
        done = self.requests.get(request_id)
        if done is None or not done.changes or done.at < self.now - UNDO_WITHIN:
            raise Refused(400)
        by_number = {issue.number: issue for issue in self.issues.values()}
        events = []
        for number, company, before, after in done.changes:
            issue = by_number.get(number)
            held = None if issue is None else issue.members.get(company)
            if issue is None or (held and held.status) != after or self._changed_since(request_id, number, company):
                continue
            events.append(self._remove(issue, company) if before is None else self._set(issue, company, before))
        self._undoes = request_id
        return events

    def _record(self, request_id: str) -> None:
        """Adds the changes since the last call to the history."""
        self._history += [Recorded(number, company, request_id, self._undoes) for number, company, *_ in self._changes]
        self._changes, self._undoes = [], None

    def _changed_since(self, request_id: str, number: int, company: str) -> bool:
        """Returns whether another request has changed what this one changed, and has not been undone."""
        same = [one for one in self._history if (one.number, one.company) == (number, company)]
        later = same[[one.request_id for one in same].index(request_id) + 1 :]
        undone = {one.undoes for one in later}
        return any(one.undoes is None and one.request_id not in undone for one in later)

    def _get(self, name: str) -> Issue:
        issue = self.issues.get(key(name))
        if issue is None:
            raise Refused(404)
        return issue

    def _set(self, issue: Issue, company: str, status: str, note: str | None = None) -> Event:
        """Assigns the company, or changes its status."""
        held = issue.members.get(company)
        before = held.status if held else None
        issue.members[company] = Member(status, self.now)
        issue.updated_at = self.now
        self._changes.append((issue.number, company, before, status))
        type_ = "assignment.created" if before is None else "assignment.status_changed"
        return Event(type_, issue.name, company, before, status, note)

    def _remove(self, issue: Issue, company: str) -> Event:
        removed = issue.members.pop(company)
        issue.updated_at = self.now
        self._changes.append((issue.number, company, removed.status, None))
        return Event("assignment.deleted", issue.name, company, removed.status)
