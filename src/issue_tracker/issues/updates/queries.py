"""Reads of updates: texts on issues, for all of their companies or for some.

An update is visible to actors who may see its issue and, if it is for some companies only, one of these. Names of
hidden companies are omitted.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, or_, select

from issue_tracker.actor import Actor, CompanyAccess, require_helpdesk
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.company_access.queries import access_values, of_visible_issue
from issue_tracker.database.prepared import among, numbers
from issue_tracker.database.tables import assignments, companies, issues, update_companies, updates
from issue_tracker.errors import Forbidden, NotFound
from issue_tracker.events.catalog import EventActor
from issue_tracker.integers import LARGEST_ID
from issue_tracker.issues.queries.issue import has_hidden_assignments

REPEATED = timedelta(minutes=1)
"""How long after an update the same one counts as a form that was sent twice, such as by a double click."""

MOST_COMPARED = 20
"""Maximum number of updates that are compared with another one."""


class Update(msgspec.Struct, frozen=True):
    """A text on an issue, in Markdown. `company_names` is null if it is for all companies of the issue."""

    update_id: int
    issue_name: str
    body: str
    public: bool
    company_names: list[str] | None
    at: Timestamp
    actor: EventActor
    edited_at: Timestamp | None


class PlacedUpdate(msgspec.Struct, frozen=True):
    """An update together with ids that its readers do not see: those of its issue and of its companies."""

    update: Update
    issue_id: int
    company_ids: frozenset[int] | None


class UpdateFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which updates to list; None means any. `company_ids` selects updates for at least one of these companies,
    including those for all companies of an issue to which one is assigned. `written_before` and `written_since` are
    time zone aware. `update_ids` selects updates by id.
    """

    issue_id: int | None = None
    company_ids: tuple[int, ...] | None = None
    public: bool | None = None
    written_before: datetime | None = None
    update_ids: tuple[int, ...] | None = None
    written_since: datetime | None = None


class Place(msgspec.Struct, frozen=True):
    """A place in a list by time that shows no ids: behind the first `passed` updates that were written at `at`."""

    at: datetime
    passed: int


class UpdatePage(msgspec.Struct, frozen=True):
    """Updates, the newest first; `total` counts all that match. `more` says whether older ones follow."""

    updates: list[PlacedUpdate]
    total: int
    more: bool


def list_updates(
    tx: Connection, actor: Actor, filters: UpdateFilters, *, before: int | None = None, limit: int
) -> UpdatePage:
    """Returns at most `limit` updates, of those with an id below `before` if given, the newest first. Raises Forbidden
    without helpdesk access.
    """
    require_helpdesk(actor)
    query, values = _matching(tx, actor.company_access, filters)
    rest = query if before is None else query.where(updates.c.update_id < before)
    return _page(tx, actor.company_access, query, rest.order_by(updates.c.update_id.desc()), values, limit)


def list_public_updates(
    tx: Connection, access: CompanyAccess, filters: UpdateFilters, *, after: Place | None = None, limit: int
) -> UpdatePage:
    """Like list_updates, for readers outside the helpdesk, such as customers: only public ones, whatever the filters,
    by time, and those after a place.

    `actor` of these updates names the technician; callers must not show it to customers.
    """
    query, values = _matching(tx, access, msgspec.structs.replace(filters, public=True))
    rest = query if after is None else query.where(updates.c.created_at <= after.at).offset(after.passed)
    ordered = rest.order_by(updates.c.created_at.desc(), updates.c.update_id.desc())
    return _page(tx, access, query, ordered, values, limit)


def list_latest_public_updates(
    tx: Connection, access: CompanyAccess, company_id: int, issue_ids: Sequence[int]
) -> dict[int, Update]:
    """Returns the latest public update for a company on each of these issues, by issue; none for a hidden company.

    Updates for other companies are left out, as in the portal of the company.
    """
    if not access.allows(company_id):
        return {}
    dialect = tx.dialect.name
    values = {"chosen": numbers(tx, [company_id]), "issues": numbers(tx, issue_ids)}
    of_issues = among(updates.c.issue_id, "issues", dialect)
    latest = select(func.max(updates.c.update_id)).where(
        updates.c.public, updates.c.withdrawn_at.is_(None), of_issues, _concerns("chosen", dialect)
    )
    query = _visible(CompanyAccess(), dialect).where(updates.c.update_id.in_(latest.group_by(updates.c.issue_id)))
    only = CompanyAccess(frozenset({company_id}))
    return {placed.issue_id: placed.update for placed in _loaded(tx, only, tx.execute(query, values).all())}


def latest_updates(tx: Connection, actor: Actor, issue_ids: Sequence[int]) -> dict[int, PlacedUpdate]:
    """Returns the newest update of each of these issues, by issue id; issues without updates are left out."""
    require_helpdesk(actor)
    access, dialect = actor.company_access, tx.dialect.name
    values = access_values(tx, access) | {"issues": numbers(tx, issue_ids)}
    newest = _visible(access, dialect).where(among(updates.c.issue_id, "issues", dialect))
    newest = newest.with_only_columns(func.max(updates.c.update_id)).group_by(updates.c.issue_id)
    query = _visible(access, dialect).where(updates.c.update_id.in_(newest))
    return {placed.issue_id: placed for placed in _loaded(tx, access, tx.execute(query, values).all())}


def get_update(tx: Connection, actor: Actor, update_id: int) -> PlacedUpdate:
    """Returns the update with this id. Raises NotFound, which names the id."""
    require_helpdesk(actor)
    access = actor.company_access
    found = []
    if 0 < update_id <= LARGEST_ID:
        query = _visible(access, tx.dialect.name).where(updates.c.update_id == update_id)
        found = _loaded(tx, access, tx.execute(query, access_values(tx, access)).all())
    if not found:
        raise NotFound(f"There is no update with the id {update_id}.")
    return found[0]


def find_repeated(
    tx: Connection, actor: Actor, issue_id: int, body: str, company_ids: Collection[int] | None, *, public: bool
) -> PlacedUpdate | None:
    """Returns the update of an issue that the actor has added within REPEATED with the same text and readers, for the
    same companies (None: for all of them); None if there is none.
    """
    recent = UpdateFilters(issue_id=issue_id, written_since=now() - REPEATED)
    for placed in list_updates(tx, actor, recent, limit=MOST_COMPARED).updates:
        same = (placed.update.actor.id, placed.update.body, placed.update.public) == (actor.user_id, body, public)
        if same and placed.company_ids == (None if company_ids is None else frozenset(company_ids)):
            return placed
    return None


def list_ids_for_all(tx: Connection, actor: Actor, issue_id: int) -> list[int]:
    """Returns the ids of the updates that are for all companies of an issue, including those that were withdrawn; none
    of an issue that is hidden from the actor.
    """
    require_helpdesk(actor)
    access, dialect = actor.company_access, tx.dialect.name
    query = select(updates.c.update_id).where(updates.c.issue_id == issue_id, updates.c.for_all)
    if not access.all:
        query = query.where(of_visible_issue(updates.c.issue_id, dialect))
    return list(tx.execute(query.order_by(updates.c.update_id), access_values(tx, access)).scalars())


def require_changeable(tx: Connection, actor: Actor, placed: PlacedUpdate) -> None:
    """Raises Forbidden unless the actor is the author of an update or a super admin, and may see all companies that it
    is for.
    """
    if not (actor.super_admin or (actor.user_id is not None and actor.user_id == placed.update.actor.id)):
        raise Forbidden("Only its author and super admins can change an update.")
    for_all = placed.company_ids is None
    if has_hidden_assignments(tx, actor, placed.issue_id) if for_all else _has_hidden_companies(tx, actor, placed):
        raise Forbidden("You cannot see all companies that this update is for; ask someone who can.")


def is_changeable(tx: Connection, actor: Actor, placed: PlacedUpdate) -> bool:
    """Returns whether the actor may change an update (`require_changeable`)."""
    try:
        require_changeable(tx, actor, placed)
    except Forbidden:
        return False
    return True


def _has_hidden_companies(tx: Connection, actor: Actor, placed: PlacedUpdate) -> bool:
    if actor.company_access.all:
        return False
    query = select(update_companies.c.company_id).where(update_companies.c.update_id == placed.update.update_id)
    return any(not actor.company_access.allows(company_id) for company_id in tx.execute(query).scalars())


def _matching(tx: Connection, access: CompanyAccess, filters: UpdateFilters) -> tuple[Select[Any], dict[str, Any]]:
    """Selects the updates that are visible under an access and match the filters. Returns the parameters, too."""
    dialect = tx.dialect.name
    values = access_values(tx, access)
    conditions: list[ColumnElement[bool]] = []
    if filters.issue_id is not None:
        conditions.append(updates.c.issue_id == filters.issue_id)
    if filters.public is not None:
        conditions.append(updates.c.public.is_(filters.public))
    if filters.company_ids is not None:
        conditions.append(_concerns("chosen", dialect))
        values["chosen"] = numbers(tx, filters.company_ids)
    if filters.written_before is not None:
        conditions.append(updates.c.created_at < filters.written_before)
    if filters.update_ids is not None:
        conditions.append(among(updates.c.update_id, "wanted", dialect))
        values["wanted"] = numbers(tx, filters.update_ids)
    if filters.written_since is not None:
        conditions.append(updates.c.created_at >= filters.written_since)
    return _visible(access, dialect).where(*conditions), values


def _page(
    tx: Connection,
    access: CompanyAccess,
    query: Select[Any],
    ordered: Select[Any],
    values: Mapping[str, Any],
    limit: int,
) -> UpdatePage:
    """Returns the first updates of `ordered`; the total is that of `query`."""
    counted = select(func.count()).select_from(query.with_only_columns(updates.c.update_id).subquery())
    total = int(tx.execute(counted, values).scalar_one())
    rows = tx.execute(ordered.limit(limit + 1), values).all()
    return UpdatePage(_loaded(tx, access, rows[:limit]), total, len(rows) > limit)


def _visible(access: CompanyAccess, dialect: str) -> Select[Any]:
    """Selects the updates that are visible under an access, with the names of their issues."""
    query = select(updates, issues.c.name.label("issue_name")).join(issues, issues.c.issue_id == updates.c.issue_id)
    query = query.where(updates.c.withdrawn_at.is_(None))
    if access.all:
        return query
    addressed = or_(updates.c.for_all, _named("access", dialect))
    return query.where(of_visible_issue(updates.c.issue_id, dialect), addressed)


def _concerns(name: str, dialect: str) -> ColumnElement[bool]:
    """The update is for one of the companies in the list `name`."""
    assigned = select(assignments.c.issue_id).where(among(assignments.c.company_id, name, dialect))
    return or_(and_(updates.c.for_all, updates.c.issue_id.in_(assigned)), _named(name, dialect))


def _named(name: str, dialect: str) -> ColumnElement[bool]:
    return exists().where(
        update_companies.c.update_id == updates.c.update_id, among(update_companies.c.company_id, name, dialect)
    )


def _loaded(tx: Connection, access: CompanyAccess, rows: Sequence[Row[Any]]) -> list[PlacedUpdate]:
    members = _companies_of(tx, access, [row.update_id for row in rows if not row.for_all])
    return [
        PlacedUpdate(
            update=Update(
                update_id=row.update_id,
                issue_name=row.issue_name,
                body=row.body,
                public=bool(row.public),
                company_names=None if row.for_all else list(members.get(row.update_id, {}).values()),
                at=iso(row.created_at),
                actor=EventActor(id=row.author_id, name=row.author_name, channel=row.channel),
                edited_at=None if row.edited_at is None else iso(row.edited_at),
            ),
            issue_id=row.issue_id,
            company_ids=None if row.for_all else frozenset(members.get(row.update_id, ())),
        )
        for row in rows
    ]


def _companies_of(tx: Connection, access: CompanyAccess, update_ids: Iterable[int]) -> dict[int, dict[int, str]]:
    """Returns the visible companies that updates name, by update: their names by id, in the order of names."""
    found: dict[int, dict[int, str]] = {}
    query = (
        select(update_companies.c.update_id, companies.c.company_id, companies.c.name)
        .join(companies, companies.c.company_id == update_companies.c.company_id)
        .where(among(update_companies.c.update_id, "updates", tx.dialect.name))
        .order_by(companies.c.name_key, companies.c.company_id)
    )
    for row in tx.execute(query, {"updates": numbers(tx, list(update_ids))}):
        if access.allows(row.company_id):
            found.setdefault(row.update_id, {})[row.company_id] = row.name
    return found
