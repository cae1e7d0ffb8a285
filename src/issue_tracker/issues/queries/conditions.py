"""Conditions on issues and assignments. Each is a function of the dialect's name, because some differ by database.

Values in a condition are parameters of the statement, so that a statement is compiled once for a combination of
conditions. The tuple of its conditions is the key of the cached statement (docs/decisions/0010).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    all_,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    type_coerce,
    union_all,
)

from issue_tracker.company_access.queries import of_visible_company
from issue_tracker.database.prepared import among
from issue_tracker.database.tables import assignments, events, issues, users
from issue_tracker.database.types import Id
from issue_tracker.events.catalog import EventType
from issue_tracker.events.queries.visibility import names_nothing_hidden

Condition = Callable[[str], ColumnElement[bool]]
Conditions = tuple[Condition, ...]


def written(conditions: Conditions, dialect: str) -> list[ColumnElement[bool]]:
    """Returns the conditions as SQL for a dialect."""
    return [condition(dialect) for condition in conditions]


def visible_time(dialect: str) -> ColumnElement[datetime]:
    """Returns when the issue itself, or one of its assignments to companies in the list `access`, last changed."""
    last = select(func.max(assignments.c.updated_at)).where(
        assignments.c.issue_id == issues.c.issue_id, of_visible_company(assignments.c.company_id, dialect)
    )
    return latest(dialect, last.scalar_subquery())


def latest(dialect: str, last: ColumnElement[Any]) -> ColumnElement[datetime]:
    """The time of the last change of the issue or its assignments; `last` is that of its assignments, or null."""
    greatest = func.greatest if dialect == "postgresql" else func.max
    own = func.coalesce(issues.c.edited_at, issues.c.created_at)
    return type_coerce(greatest(own, func.coalesce(last, own)), issues.c.updated_at.type)


@cache
def updated_since(*, limited: bool) -> Condition:
    """The issue was changed at the time `since` or later; `limited`: as visible through the companies in `access`."""

    def condition(dialect: str) -> ColumnElement[bool]:
        changed = visible_time(dialect) if limited else issues.c.updated_at
        return changed >= bindparam("since", type_=issues.c.updated_at.type)

    return condition


@cache
def changed_since(*, limited: bool) -> Condition:
    """The issue, the name of an assigned company, or the account of an owner has an event above `after_event` that is
    not in the list `seen`.

    `limited`: only events about the companies in the list `access`, or about the issue as a whole, count, except a
    merge with an issue that the actor may not know.
    """

    def condition(dialect: str) -> ColumnElement[bool]:
        later = [events.c.event_id > bindparam("after_event", type_=Id), _unseen(dialect)]
        # An update is a text on an issue, and does not change the issue.
        of_issue = select(events.c.issue_id).where(events.c.issue_id.is_not(None), events.c.update_id.is_(None), *later)
        renamed = (
            select(assignments.c.issue_id)
            .join(events, events.c.company_id == assignments.c.company_id)
            .where(events.c.type == EventType.COMPANY_UPDATED.value, *later)
        )
        owned, accounts = issues.alias("owned"), _accounts_changed(later)
        of_owners = select(owned.c.issue_id).where(owned.c.owner_id.in_(accounts))
        assigned = select(assignments.c.issue_id).where(assignments.c.owner_id.in_(accounts))
        if limited:
            visible = of_visible_company(events.c.company_id, dialect)
            known = names_nothing_hidden(lambda column: of_visible_company(column, dialect))
            of_issue = of_issue.where(or_(and_(events.c.company_id.is_(None), known), visible))
            renamed = renamed.where(visible)
            assigned = assigned.where(of_visible_company(assignments.c.company_id, dialect))
        return issues.c.issue_id.in_(union_all(of_issue, renamed, of_owners, assigned))

    return condition


def _accounts_changed(later: list[ColumnElement[bool]]) -> Select[Any]:
    """Selects the ids of accounts that have changed since the first of these events; an event names no account."""
    first = select(func.min(events.c.at)).where(events.c.type == EventType.USER_UPDATED.value, *later)
    return select(users.c.user_id).where(users.c.updated_at >= first.scalar_subquery())


def _unseen(dialect: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        return events.c.event_id != all_(bindparam("seen", type_=ARRAY(BigInteger)))
    return events.c.event_id.not_in(select(func.json_each(bindparam("seen")).table_valued("value").c.value))


def has_status(_dialect: str) -> ColumnElement[bool]:
    """The issue has an assignment in one of the statuses of the bits `mask`."""
    return issues.c.statuses.bitwise_and(bindparam("mask")) != 0


@cache
def has_assignment(conditions: Conditions) -> Condition:
    """The issue has an assignment that meets all of these conditions."""

    def condition(dialect: str) -> ColumnElement[bool]:
        same_issue = assignments.c.issue_id == issues.c.issue_id
        return exists(select(1).where(same_issue, *written(conditions, dialect)))

    return condition


@cache
def is_assigned(conditions: Conditions) -> Condition:
    """Like has_assignment, but faster for few assignments in total, which are found first instead of per issue."""

    def condition(dialect: str) -> ColumnElement[bool]:
        return issues.c.issue_id.in_(select(assignments.c.issue_id).where(*written(conditions, dialect)))

    return condition


def of_issues(dialect: str) -> ColumnElement[bool]:
    """The assignment belongs to one of the issues in the list `issues`."""
    return among(assignments.c.issue_id, "issues", dialect)


def of_companies(dialect: str) -> ColumnElement[bool]:
    """The assignment belongs to one of the companies in the list `companies`."""
    return among(assignments.c.company_id, "companies", dialect)


@cache
def in_statuses(count: int) -> Condition:
    """The assignment has one of the statuses in the parameters `status_0`, `status_1` and so on."""
    return lambda _: assignments.c.status.in_([bindparam(f"status_{number}") for number in range(count)])


def padded(count: int) -> int:
    """Returns the next power of two, which is the number of parameters in a statement for `count` values.

    This limits the number of different statements.
    """
    return 1 << max(0, count - 1).bit_length()


def spread(name: str, values: Sequence[Any], nothing: Any) -> dict[str, Any]:
    """Returns values as the parameters `name_0`, `name_1` and so on, filled up to a padded number of them.

    The unused ones are `nothing`, a value that no row has.
    """
    filled = [*values, *[nothing] * (padded(len(values)) - len(values))]
    return {f"{name}_{number}": value for number, value in enumerate(filled)}
