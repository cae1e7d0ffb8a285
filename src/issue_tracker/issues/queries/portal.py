"""Reads for customers: the issues of their companies and public updates, without the technicians' internal texts.

A customer sees the names of issues, and the statuses of their own companies in them (docs/decisions/0025). No ids are
returned, because ids would reveal the number of all issues and companies.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, bindparam, exists, func, or_, select

from issue_tracker.actor import Actor, CompanyAccess, require_customer
from issue_tracker.clock import Timestamp
from issue_tracker.database.prepared import Prepared, iso, numbers
from issue_tracker.database.tables import assignments, companies, events, issues
from issue_tracker.database.tables.issues import is_open
from issue_tracker.database.types import Key
from issue_tracker.errors import NotFound
from issue_tracker.events.catalog import EventType
from issue_tracker.issues.queries.conditions import Conditions, in_statuses, of_companies, of_issues, spread, written
from issue_tracker.issues.queries.issue_list import BATCH, NO_LIMIT
from issue_tracker.issues.queries.portal_names import find_portal_issue, own_companies
from issue_tracker.issues.updates.queries import (
    Place,
    Update,
    UpdateFilters,
    list_latest_public_updates,
    list_public_updates,
)
from issue_tracker.names import key, printable, storable
from issue_tracker.status import LABELS, STATUSES, Status


class PortalAssignment(msgspec.Struct, frozen=True):
    """The status of one of the customer's companies in an issue.

    `since` is the start of the present outage, or the time of the assignment if the status is resolved or closed.
    `updated_at` is the time at which the status was set; other changes by technicians do not affect it.
    """

    company_name: str
    status: Status
    status_label: str
    since: Timestamp
    updated_at: Timestamp


class PortalIssue(msgspec.Struct, frozen=True):
    """An issue as a customer sees it. `updated_at` is the time of the last change of one of its `assignments`."""

    name: str
    updated_at: Timestamp
    assignments: list[PortalAssignment]


class PortalUpdate(msgspec.Struct, frozen=True):
    """A public update, in Markdown. `company_names` is null if it is for all companies of the issue.

    `author_name` is the first name of its author if the settings permit it, and null otherwise.
    """

    issue_name: str
    body: str
    company_names: list[str] | None
    at: Timestamp
    edited_at: Timestamp | None
    author_name: str | None


class PortalUpdates(msgspec.Struct, frozen=True):
    """Public updates, the newest first; `total` counts all that match. `next` is the place of older ones, if any."""

    updates: list[PortalUpdate]
    total: int
    next: Place | None


class PortalFilters(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of assignments; all of them must match. Issues without a matching assignment are omitted.

    `statuses` is None for no filter, and contains no value twice. `updated_since`, an aware datetime, selects those
    whose status was set, or restored by an undo, at this time or later.
    """

    statuses: tuple[Status, ...] | None = None
    company_name: str = ""
    updated_since: datetime | None = None


class _Found(msgspec.Struct):
    """The conditions of a list, and the values of their parameters."""

    conditions: Conditions
    values: dict[str, Any]


def list_portal_companies(tx: Connection, actor: Actor) -> list[str]:
    """Returns the names of the customer's companies, sorted. Raises Forbidden for any other role."""
    require_customer(actor)
    own = companies.c.company_id.in_(own_companies(actor))
    return list(tx.execute(select(companies.c.name).where(own).order_by(companies.c.name_key)).scalars())


def list_portal_issues(
    tx: Connection, actor: Actor, filters: PortalFilters, *, after: str = "", limit: int | None = None
) -> list[PortalIssue]:
    """Returns issues in the order of their names, those after the name `after`, at most `limit`.

    Raises NotFound for a company that the customer may not see, Forbidden for any other role.
    """
    found = _find(tx, actor, filters)
    values = found.values | {"after": key(after), "limit": NO_LIMIT if limit is None else limit}
    ids = [issue_id for (issue_id, _) in _page(found.conditions).all(tx, **values)]
    return _load(tx, actor, found, ids)


def count_portal_issues(tx: Connection, actor: Actor, filters: PortalFilters) -> int:
    """Returns the total number of issues in `list_portal_issues`, and raises the same errors."""
    found = _find(tx, actor, filters)
    return int(_count(found.conditions).scalar(tx, **found.values))


def get_portal_issue(tx: Connection, actor: Actor, name: str) -> PortalIssue:
    """Returns the issue that has, or last had, this name, regardless of case. Raises like `find_portal_issue`."""
    return _load(tx, actor, _find(tx, actor, PortalFilters()), [find_portal_issue(tx, actor, name)])[0]


def list_portal_updates(
    tx: Connection,
    actor: Actor,
    *,
    issue_name: str = "",
    company_name: str = "",
    before: datetime | None = None,
    after: Place | None = None,
    limit: int,
    first_names: bool,
) -> PortalUpdates:
    """Returns public updates for the customer's companies, the newest first: at most `limit`, of those written before
    the instant `before`, from the place `after` on. `first_names` includes the first names of their authors.

    Raises NotFound for an issue or a company that the customer may not see, Forbidden for any other role.
    """
    require_customer(actor)
    filters = UpdateFilters(
        issue_id=find_portal_issue(tx, actor, issue_name) if issue_name else None,
        company_ids=(_company_id(tx, actor, company_name),) if company_name else None,
        written_before=before,
    )
    found = list_public_updates(tx, CompanyAccess(frozenset(own_companies(actor))), filters, after=after, limit=limit)
    shown = [_portal_update(placed.update, first_names=first_names) for placed in found.updates]
    return PortalUpdates(shown, found.total, _place_after(shown, after) if found.more else None)


def _place_after(shown: Sequence[PortalUpdate], after: Place | None) -> Place:
    last = datetime.fromisoformat(shown[-1].at)
    earlier = after.passed if after is not None and after.at == last else 0
    return Place(last, earlier + sum(1 for update in shown if update.at == shown[-1].at))


def list_latest_portal_updates(tx: Connection, actor: Actor) -> dict[tuple[str, str], PortalUpdate]:
    """Returns the latest public update for each company of the customer in each of its open issues, without author, by
    the names of issue and company; companies and issues without updates are left out. Raises Forbidden for any other
    role.
    """
    require_customer(actor)
    opened = select(assignments.c.issue_id, companies.c.company_id, companies.c.name)
    opened = opened.join(companies, companies.c.company_id == assignments.c.company_id)
    opened = opened.where(assignments.c.company_id.in_(own_companies(actor)), is_open)
    issue_ids: dict[tuple[int, str], list[int]] = {}
    for row in tx.execute(opened):
        issue_ids.setdefault((row.company_id, row.name), []).append(row.issue_id)
    return {
        (update.issue_name, name): _portal_update(update, first_names=False)
        for (company_id, name), ids in issue_ids.items()
        for update in list_latest_public_updates(tx, actor.company_access, company_id, ids).values()
    }


def _portal_update(update: Update, *, first_names: bool) -> PortalUpdate:
    # Otherwise the name is that of an account that a program uses, or of a system user.
    person = first_names and update.actor.channel == "session"
    return PortalUpdate(
        issue_name=update.issue_name,
        body=update.body,
        company_names=update.company_names,
        at=update.at,
        edited_at=update.edited_at,
        author_name=update.actor.name.split()[0] if person else None,
    )


def _find(tx: Connection, actor: Actor, filters: PortalFilters) -> _Found:
    require_customer(actor)
    own = own_companies(actor)
    if filters.company_name:
        own = [_company_id(tx, actor, filters.company_name)]
    found = _Found((of_companies,), {"companies": numbers(tx, own)})
    if filters.statuses is not None:
        alternatives = spread("status", [status.value for status in filters.statuses], "")
        found.conditions += (in_statuses(len(alternatives)),)
        found.values |= alternatives
    if filters.updated_since is not None:
        found.conditions += (_updated_since,)
        found.values["since"] = filters.updated_since
    return found


def _company_id(tx: Connection, actor: Actor, name: str) -> int:
    query = select(companies.c.company_id).where(companies.c.name_key == key(name))
    row = tx.execute(query).first() if storable(name) else None
    if row is None or row.company_id not in own_companies(actor):
        raise NotFound(f"There is no company called “{printable(name)}”.")
    return int(row.company_id)


def _load(tx: Connection, actor: Actor, found: _Found, issue_ids: Sequence[int]) -> list[PortalIssue]:
    """Loads the issues with those of their assignments that meet the conditions, which include the customer's own."""
    require_customer(actor)
    names: dict[int, str] = {}
    members: dict[int, list[PortalAssignment]] = {}
    for start in range(0, len(issue_ids), BATCH):
        values = found.values | {"issues": numbers(tx, issue_ids[start : start + BATCH])}
        for row in _members(found.conditions).rows(tx, **values):
            names[row.issue_id] = row.name
            members.setdefault(row.issue_id, []).append(
                PortalAssignment(
                    company_name=row.company_name,
                    status=STATUSES[row.status],
                    status_label=LABELS[STATUSES[row.status]],
                    since=iso(row.since),
                    updated_at=iso(row.updated_at),
                )
            )
    return [
        PortalIssue(names[id_], max(member.updated_at for member in members[id_]), members[id_])
        for id_ in issue_ids
        if id_ in members
    ]


_SETTING = EventType.ASSIGNMENT_CREATED, EventType.ASSIGNMENT_STATUS_CHANGED


def _updated_since(_dialect: str) -> Any:
    """The status was set at `since` or later; or it was restored then, by an undo or a merge, with an earlier time."""
    since = bindparam("since", type_=assignments.c.updated_at.type)
    of_assignment = events.c.issue_id == assignments.c.issue_id, events.c.company_id == assignments.c.company_id
    setting = or_(*(events.c.type == type_.value for type_ in _SETTING))
    restored = exists().where(*of_assignment, setting, events.c.at >= since)
    # A restored status moves `updated_at` of the assignment, so that few histories are read.
    return or_(_status_since >= since, and_(assignments.c.updated_at >= since, restored))


_status_since = func.coalesce(assignments.c.status_since, assignments.c.updated_at, type_=assignments.c.updated_at.type)
_affected_since = func.coalesce(
    assignments.c.affected_since, assignments.c.created_at, type_=assignments.c.created_at.type
)


@lru_cache(maxsize=32)
def _page(conditions: Conditions) -> Prepared:
    """Selects ids and keys of issues with such an assignment after the key `after`, by key, at most `limit`."""

    def build(dialect: str) -> Select[Any]:
        behind = assignments.c.issue_key > bindparam("after", type_=Key)
        query = select(assignments.c.issue_id, assignments.c.issue_key).where(*written(conditions, dialect), behind)
        return query.distinct().order_by(assignments.c.issue_key).limit(bindparam("limit"))

    return Prepared(build)


@lru_cache(maxsize=32)
def _count(conditions: Conditions) -> Prepared:
    counted = select(func.count(assignments.c.issue_id.distinct()))
    return Prepared(lambda dialect: counted.where(*written(conditions, dialect)))


@lru_cache(maxsize=32)
def _members(conditions: Conditions) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        columns = assignments.c.status, _affected_since.label("since"), _status_since.label("updated_at")
        return (
            select(issues.c.issue_id, issues.c.name, companies.c.name.label("company_name"), *columns)
            .join_from(assignments, issues, issues.c.issue_id == assignments.c.issue_id)
            .join(companies, companies.c.company_id == assignments.c.company_id)
            .where(of_issues(dialect), *written(conditions, dialect))
            .order_by(assignments.c.issue_id, companies.c.name_key)
        )

    return Prepared(build)
