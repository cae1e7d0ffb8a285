"""Numbers of issues that wait for a technician, for the counts above the list."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.issues.queries.filters import Filters
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.status import Status

UNMOVED_DAYS = 3
"""An unfinished issue, or an open assignment, that has not changed for this many days is unmoved."""

MOST = 1000
"""Counting stops at this number, so that the cost does not grow with the number of issues."""


class AttentionCounts(msgspec.Struct, frozen=True):
    """Numbers of issues: new for a company and without an owner; unmoved; overdue."""

    new: int
    unmoved: int
    overdue: int


def count_attention(tx: Connection, actor: Actor, at: datetime) -> AttentionCounts:
    """Counts the issues that the actor can see at `at`, each up to MOST. Raises Forbidden without helpdesk access."""

    def count(filters: Filters) -> int:
        return IssueList(tx, actor, filters).count_up_to(MOST)

    return AttentionCounts(
        new=count(Filters(statuses=(Status.NEW,), unowned=True)),
        unmoved=count(Filters(unmoved_since=at - timedelta(days=UNMOVED_DAYS))),
        overdue=count(Filters(overdue=True, at=at)),
    )
