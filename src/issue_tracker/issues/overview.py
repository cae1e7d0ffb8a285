"""Issues as presented on pages: open companies first, long lists folded, assignments without recent change marked."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.clock import now
from issue_tracker.issues.models import Assignment, Issue, Reference, ShownAssignment
from issue_tracker.issues.queries.attention_counts import UNMOVED_DAYS
from issue_tracker.issues.queries.company import list_company_assignments
from issue_tracker.names import key
from issue_tracker.status import RANKED, Status

UNMOVED_AFTER = timedelta(days=UNMOVED_DAYS)
"""An open assignment that has not changed for this long is marked."""

SHOWN = 5
"""Number of an issue's companies that the list shows. One more is shown, too, because folding it would save no
space.
"""

StatusCounts = list[tuple[str, int]]
"""Statuses with their numbers of assignments."""


class Member(msgspec.Struct, frozen=True):
    """An assignment on a page. `on` is its name in forms and scripts: the ids of issue and company."""

    on: str
    issue_id: int
    issue_name: str
    company_id: int
    company_name: str
    status: str
    status_since: str
    unmoved: bool
    affected_since: str | None = None
    owner: str | None = None
    references: Sequence[Reference] = ()

    @property
    def open(self) -> bool:
        return Status(self.status).open


class Group(msgspec.Struct, frozen=True):
    """An issue in the list. `facts` is the issue itself, whose fields are shown; `overdue` is as in `is_overdue`.
    `hidden` is the number of folded members; `status_counts` covers all of them.
    """

    issue_id: int
    name: str
    description: str | None
    facts: Issue
    overdue: bool
    shown: list[Member]
    hidden: int
    status_counts: StatusCounts

    @property
    def rowspan(self) -> int:
        return max(1, len(self.shown)) + bool(self.hidden)


class Detail(msgspec.Struct, frozen=True):
    """An issue on its own page, with its open companies and the finished ones, in the order of `stragglers_first`.
    `facts` and `overdue` as in a group.
    """

    issue_id: int
    name: str
    description: str | None
    facts: Issue
    overdue: bool
    created_at: str
    updated_at: str
    open: list[Member]
    done: list[Member]

    @property
    def open_count(self) -> int:
        return len(self.open)

    @property
    def total(self) -> int:
        return len(self.open) + len(self.done)


def group(issue: Issue, at: datetime | None = None) -> Group:
    """Returns an issue as a group of the list. `at` defaults to the present time."""
    members = stragglers_first(issue, at)
    shown = members if len(members) <= SHOWN + 1 else members[:SHOWN]
    return Group(
        issue_id=issue.issue_id,
        name=issue.name,
        description=issue.description,
        facts=issue,
        overdue=is_overdue(issue, at),
        shown=shown,
        hidden=len(members) - len(shown),
        status_counts=count_statuses(members),
    )


def is_overdue(issue: Issue, at: datetime | None = None) -> bool:
    """Returns whether the next update of an unfinished issue was due. `at` defaults to the present time."""
    due = issue.next_update_at
    if due is None or datetime.fromisoformat(due) >= (at or now()):
        return False
    return not issue.assignments or any(member.status.open for member in issue.assignments)


def detail(issue: Issue, order: str | None = None) -> Detail:
    """Returns an issue as shown on its own page. `order` is `name`, or `affected` for the longest affected first."""
    members = stragglers_first(issue)
    if order == "name":
        members = sorted(members, key=lambda member: (key(member.company_name), member.company_id))
    elif order == "affected":
        members = sorted(members, key=lambda member: member.affected_since or "")
    return Detail(
        issue_id=issue.issue_id,
        name=issue.name,
        description=issue.description,
        facts=issue,
        overdue=is_overdue(issue),
        created_at=issue.created_at,
        updated_at=issue.updated_at,
        open=[member for member in members if member.open],
        done=[member for member in members if not member.open],
    )


def stragglers_first(issue: Issue, at: datetime | None = None) -> list[Member]:
    """Returns the issue's companies: the open ones, longest unchanged first, then the finished ones, latest change
    first. `at` defaults to the present time.
    """
    return _ordered([(issue.name, assignment) for assignment in issue.assignments], at)


def company_members(tx: Connection, actor: Actor, company_id: int) -> list[Member]:
    """Returns all assignments of a company, in the order of `stragglers_first`."""
    return _ordered(list_company_assignments(tx, actor, company_id))


def _ordered(found: Sequence[tuple[str, Assignment]], at: datetime | None = None) -> list[Member]:
    """Converts assignments, each given with the name of its issue, to members, and sorts them."""
    unmoved_since = ((at or now()) - UNMOVED_AFTER).isoformat()
    shown = [(issue_name, each, each if isinstance(each, ShownAssignment) else None) for issue_name, each in found]
    members = [
        Member(
            on=f"{each.issue_id}-{each.company_id}",
            issue_id=each.issue_id,
            issue_name=issue_name,
            company_id=each.company_id,
            company_name=each.company_name,
            status=each.status.value,
            status_since=(since := more.status_since if more else each.updated_at),
            unmoved=each.status.open and since < unmoved_since,
            affected_since=more.affected_since if more else None,
            owner=more.owner.name if more and more.owner else None,
            references=more.references if more else (),
        )
        for issue_name, each, more in shown
    ]
    waiting = sorted((member for member in members if member.open), key=lambda member: member.status_since)
    done = sorted((member for member in members if not member.open), key=lambda member: member.status_since)
    return waiting + done[::-1]


def count_statuses(members: Sequence[Member]) -> StatusCounts:
    """Returns the number of members with each status that occurs, in the order of progress."""
    counts = {status.value: 0 for status in RANKED}
    for member in members:
        counts[member.status] += 1
    return [(status, count) for status, count in counts.items() if count]
