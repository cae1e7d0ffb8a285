"""Issues as the pages show them: stragglers first, the long tail folded, what has not moved marked."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.clock import now
from issue_tracker.database.tables import assignments, companies, issues
from issue_tracker.issues.models import Assignment, Issue, assignment
from issue_tracker.status import Status

STALE_AFTER = timedelta(days=3)
"""An open assignment that has not moved for so long stands out."""

SHOWN = 5
"""How many companies of an issue the list shows; one more than that is not worth folding."""

Tally = list[tuple[str, int]]


class Member(msgspec.Struct, frozen=True):
    """An assignment on a page; `on` is how forms and scripts name it: issue and company."""

    on: str
    issue_id: int
    issue_name: str
    company_id: int
    company_name: str
    status: str
    updated_at: str
    stale: bool

    @property
    def open(self) -> bool:
        return Status(self.status).open


class Group(msgspec.Struct, frozen=True):
    """An issue in the list. `tally` counts its statuses where some of its companies are folded away."""

    issue_id: int
    name: str
    description: str | None
    shown: list[Member]
    hidden: int
    tally: Tally

    @property
    def rowspan(self) -> int:
        return max(1, len(self.shown)) + bool(self.hidden)


class Detail(msgspec.Struct, frozen=True):
    """An issue on its own page: who waits, the longest unmoved first, and who does not."""

    issue_id: int
    name: str
    description: str | None
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
    """An issue with its assignments (those that the filters let through) as a group of the list."""
    members = stragglers_first(issue, at)
    shown = members if len(members) <= SHOWN + 1 else members[:SHOWN]
    return Group(issue.issue_id, issue.name, issue.description, shown, len(members) - len(shown), tally(members))


def detail(issue: Issue) -> Detail:
    """An issue as its own page shows it."""
    members = stragglers_first(issue)
    waiting = [member for member in members if member.open]
    done = [member for member in members if not member.open]
    return Detail(issue.issue_id, issue.name, issue.description, issue.created_at, issue.updated_at, waiting, done)


def stragglers_first(issue: Issue, at: datetime | None = None) -> list[Member]:
    """Open before done; among the open ones the longest unmoved first, among the done ones the latest first."""
    return _arranged({issue.issue_id: issue.name}, issue.assignments, at)


def _arranged(names: dict[int, str], found: Iterable[Assignment], at: datetime | None = None) -> list[Member]:
    before = ((at or now()) - STALE_AFTER).isoformat()
    members = [
        Member(
            f"{each.issue_id}-{each.company_id}",
            each.issue_id,
            names[each.issue_id],
            each.company_id,
            each.company_name,
            each.status.value,
            each.updated_at,
            each.status.open and each.updated_at < before,
        )
        for each in found
    ]
    waiting = sorted((member for member in members if member.open), key=lambda member: member.updated_at)
    done = sorted((member for member in members if not member.open), key=lambda member: member.updated_at)
    return waiting + done[::-1]


def tally(members: Sequence[Member]) -> Tally:
    """How many are in each status that occurs, in the order of progress."""
    counts = {status.value: 0 for status in Status}
    for member in members:
        counts[member.status] += 1
    return [(status, count) for status, count in counts.items() if count]


def company_members(tx: Connection, actor: Actor, company_id: int) -> list[Member]:
    """All of a company's assignments: open before done, the longest unmoved first, then the latest done."""
    require_helpdesk(actor)
    query = (
        select(
            assignments.c.assignment_id,
            assignments.c.issue_id,
            assignments.c.company_id,
            companies.c.name,
            assignments.c.status,
            assignments.c.updated_at,
            issues.c.name.label("issue_name"),
        )
        .join(issues, issues.c.issue_id == assignments.c.issue_id)
        .join(companies, companies.c.company_id == assignments.c.company_id)
        .where(assignments.c.company_id == company_id)
    )
    rows = tx.execute(query).all()
    names = {row.issue_id: row.issue_name for row in rows}
    return _arranged(names, [assignment(*row[:6]) for row in rows])
