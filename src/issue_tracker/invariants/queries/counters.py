"""Redundant data that makes lists fast: copies of names and statuses, and counters (docs/decisions/0011)."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, Table, case, func, select

from issue_tracker.actor import Actor
from issue_tracker.database.tables import assignment_counters, assignments, issue_counters, issues
from issue_tracker.invariants.queries.streams import stream
from issue_tracker.status import BITS


def wrong_copies(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields issues whose set of statuses is not that of their assignments, and assignments with another name key."""
    bit = case({status.value: bit for status, bit in BITS.items()}, value=assignments.c.status)
    of_issue = select(func.coalesce(func.sum(bit.distinct()), 0)).where(assignments.c.issue_id == issues.c.issue_id)
    found = of_issue.scalar_subquery()
    for issue_id, stored, expected in stream(
        tx, actor, select(issues.c.issue_id, issues.c.statuses, found).where(issues.c.statuses != found)
    ):
        yield f"Issue {issue_id} has statuses {stored}; its assignments have {expected}."
    joined = select(assignments.c.assignment_id, assignments.c.issue_key, issues.c.name_key).join(issues)
    for assignment_id, copy, original in stream(tx, actor, joined.where(assignments.c.issue_key != issues.c.name_key)):
        yield f"Assignment {assignment_id} has issue_key “{copy}”; the name_key of its issue is “{original}”."


def wrong_counters(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields counters that differ from a recount. A missing counter counts as zero."""
    yield from _compare(tx, actor, issues, issues.c.statuses, issue_counters)
    yield from _compare(tx, actor, assignments, assignments.c.status, assignment_counters)


def _compare(tx: Connection, actor: Actor, table: Table, by: Column[Any], counters: Table) -> Iterator[str]:
    stored = select(counters.c[by.name], func.sum(counters.c[table.name])).group_by(counters.c[by.name])
    counted = dict(stream(tx, actor, stored))
    recounted = dict(stream(tx, actor, select(by, func.count()).group_by(by)))
    for value in counted.keys() | recounted.keys():
        if counted.get(value, 0) != recounted.get(value, 0):
            numbers = f"{counted.get(value, 0)} {table.name} with {by.name} {value}"
            yield f"{counters.name} counts {numbers}; there are {recounted.get(value, 0)}."
