"""Conditions on the fields of issues, in the form of `conditions`: functions of the dialect's name.

What belongs to an assignment counts only if its company is visible; `limited`: only the companies in the list `access`
are visible.
"""

from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    exists,
    func,
    not_,
    or_,
    select,
    text,
    type_coerce,
    union,
)

from issue_tracker.company_access.queries import of_visible_company
from issue_tracker.database.tables import assignment_references, assignments, issue_references, issue_tags, issues
from issue_tracker.database.tables.issues import UNFINISHED, is_open
from issue_tracker.database.types import Id, Instant, Key
from issue_tracker.issues.queries.conditions import Condition, spread
from issue_tracker.issues.queries.filters import Filters


@cache
def has_severity(count: int) -> Condition:
    """The issue has one of the severities in the parameters `severity_0`, `severity_1` and so on."""
    return lambda _: issues.c.severity.in_([bindparam(f"severity_{number}") for number in range(count)])


def has_no_owner(_dialect: str) -> ColumnElement[bool]:
    """The issue itself has no owner."""
    return issues.c.owner_id.is_(None)


@cache
def is_owned(*, limited: bool) -> Condition:
    """The user `owner` owns the issue, or one of its visible assignments."""

    def condition(dialect: str) -> ColumnElement[bool]:
        wanted = bindparam("owner", type_=Id)
        of_issue = select(issues.c.issue_id).where(issues.c.owner_id == wanted)
        of_assignment = select(assignments.c.issue_id).where(assignments.c.owner_id == wanted)
        return _in_either(of_issue, _seen(of_assignment, dialect, limited=limited))

    return condition


def has_tag(_dialect: str) -> ColumnElement[bool]:
    """The issue has the tag with the key `tag`."""
    tagged = select(issue_tags.c.issue_id).where(issue_tags.c.tag_key == bindparam("tag", type_=Key))
    return issues.c.issue_id.in_(tagged)


@cache
def has_reference(*, limited: bool) -> Condition:
    """The issue or one of its visible assignments has a reference with the key `reference`."""

    def condition(dialect: str) -> ColumnElement[bool]:
        wanted = bindparam("reference", type_=Key)
        of_issue = select(issue_references.c.issue_id).where(issue_references.c.reference_key == wanted)
        of_assignment = (
            select(assignments.c.issue_id)
            .join(assignment_references, assignment_references.c.assignment_id == assignments.c.assignment_id)
            .where(assignment_references.c.reference_key == wanted)
        )
        return _in_either(of_issue, _seen(of_assignment, dialect, limited=limited))

    return condition


@cache
def is_overdue(*, limited: bool) -> Condition:
    """The next update of the issue was due before the time `at`, and the issue is not finished."""
    live = unfinished(limited=limited)
    # The few due issues are found first, regardless of the order in which issues are read.
    due = _other.c.next_update_at < bindparam("at", type_=Instant())
    return lambda dialect: and_(issues.c.issue_id.in_(select(_other.c.issue_id).where(due)), live(dialect))


@cache
def is_not_overdue(*, limited: bool) -> Condition:
    """The negation of is_overdue."""
    done = finished(limited=limited)
    later = issues.c.next_update_at >= bindparam("at", type_=Instant())
    return lambda dialect: or_(issues.c.next_update_at.is_(None), later, done(dialect))


@cache
def is_unmoved(*, limited: bool) -> Condition:
    """The condition that the issue is not finished, and was last changed before `unmoved_since`."""
    before = bindparam("unmoved_since", type_=issues.c.updated_at.type)
    if limited:
        return lambda dialect: _seen_before(dialect, before)
    moved = issues.c.updated_at < before
    # Each alternative has its own index, which the database would not use for a combined condition.
    unowned, owned = issues.c.owner_id.is_(None), issues.c.owner_id.is_not(None)
    return lambda _: or_(and_(unowned, _as_text(UNFINISHED), moved), and_(owned, _as_text(UNFINISHED), moved))


@cache
def unfinished(*, limited: bool) -> Condition:
    """The issue has an assignment that is neither resolved nor closed, or no assignment at all."""
    # Written as in the partial indexes, whose condition a database must recognize.
    return _has_open if limited else lambda _: _as_text(UNFINISHED)


@cache
def finished(*, limited: bool) -> Condition:
    """The negation of unfinished."""
    return (lambda dialect: not_(_has_open(dialect))) if limited else lambda _: _as_text(f"NOT {UNFINISHED}")


def seen_assignments(dialect: str) -> Subquery:
    """For each issue with companies in the list `access`: `issue_id`, the `last` change of their assignments, and
    whether one of these is open, as 1 or 0. One scan of their assignments costs less than reading each issue.
    """
    a = assignments.c
    any_open = func.max(case((is_open, 1), else_=0)).label("open")
    query = select(a.issue_id, func.max(a.updated_at).label("last"), any_open)
    return query.where(of_visible_company(a.company_id, dialect)).group_by(a.issue_id).subquery()


def _seen_before(dialect: str, before: BindParameter[Any]) -> ColumnElement[bool]:
    seen = seen_assignments(dialect)
    own = func.coalesce(issues.c.edited_at, issues.c.created_at)
    unmoved = select(seen.c.issue_id).where(seen.c.open == 1, type_coerce(seen.c.last, Instant()) < before)
    return and_(issues.c.issue_id.in_(unmoved), type_coerce(own, Instant()) < before)


def _has_open(dialect: str) -> ColumnElement[bool]:
    return exists().where(_of_this_issue, is_open, of_visible_company(assignments.c.company_id, dialect))


def _as_text(condition: str) -> ColumnElement[bool]:
    return text(condition.replace("statuses", "issues.statuses"))  # type: ignore[return-value]  # a condition is text, of no column type


def field_filters(filters: Filters, *, limited: bool) -> tuple[list[Condition], dict[str, Any]]:
    """Returns the conditions of a list's filters by fields, and the values of their parameters."""
    found: list[Condition] = []
    values: dict[str, Any] = {}
    if filters.severities is not None:
        alternatives = spread("severity", [severity.value for severity in filters.severities], "")
        found.append(has_severity(len(alternatives)))
        values |= alternatives
    if filters.unowned:
        found.append(has_no_owner)
    if filters.owner is not None:
        found.append(is_owned(limited=limited))
        values["owner"] = filters.owner
    if filters.tag is not None:
        found.append(has_tag)
        values["tag"] = filters.tag
    if filters.reference is not None:
        found.append(has_reference(limited=limited))
        values["reference"] = filters.reference
    if filters.overdue is not None:
        found.append(is_overdue(limited=limited) if filters.overdue else is_not_overdue(limited=limited))
    if filters.unmoved_since is not None:
        found.append(is_unmoved(limited=limited))
        values["unmoved_since"] = filters.unmoved_since
    return found, values


_other = issues.alias("other")
_of_this_issue = assignments.c.issue_id == issues.c.issue_id


def _seen(query: Select[Any], dialect: str, *, limited: bool) -> Select[Any]:
    return query.where(of_visible_company(assignments.c.company_id, dialect)) if limited else query


def _in_either(one: Select[Any], other: Select[Any]) -> ColumnElement[bool]:
    """The issue is found by one of two queries. With OR, PostgreSQL would read every issue."""
    return issues.c.issue_id.in_(union(one, other))
