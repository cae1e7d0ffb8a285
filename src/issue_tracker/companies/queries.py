"""Reads of companies, and of what refers to them. To an actor, a company that they may not see does not exist."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, bindparam, exists, func, select

from issue_tracker.actor import Actor, CompanyAccess, require_helpdesk
from issue_tracker.company_access.queries import access_values, of_visible_company
from issue_tracker.database.prepared import Prepared, among, numbers
from issue_tracker.database.tables import assignments, companies, events, issues
from issue_tracker.database.tables.issues import is_open
from issue_tracker.database.types import Id, Key
from issue_tracker.errors import NotFound
from issue_tracker.integers import LARGEST_ID
from issue_tracker.names import NAME_LIMIT, key, printable, storable
from issue_tracker.new_names import Kind, find_look_alikes

BATCH = 500
"""Number of names or ids that one statement looks up."""


class Company(msgspec.Struct, frozen=True):
    """A client company. `open_issues` counts its assignments that are neither resolved nor closed."""

    # Functions that do not count `open_issues` say so; it is 0 then.
    company_id: int
    name: str
    archived: bool
    open_issues: int = 0


def list_companies(tx: Connection, actor: Actor, *, search: str = "", include_archived: bool = False) -> list[Company]:
    """Returns companies in the order of their casefolded names, with `open_issues`.

    `search` is a literal part of the name in any case; a text that no name can contain finds nothing. Archived
    companies are omitted unless `include_archived` is set. Raises Forbidden without helpdesk access.
    """
    require_helpdesk(actor)
    if not storable(search) or len(search) > NAME_LIMIT:
        return []
    query = _with_open_issues().order_by(companies.c.name_key, companies.c.company_id)
    if not include_archived:
        query = query.where(companies.c.archived.is_(False))
    if search:
        query = query.where(companies.c.name_key.contains(key(search), autoescape=True))
    if not actor.company_access.all:
        query = query.where(of_visible_company(companies.c.company_id, tx.dialect.name))
    return [_company(row) for row in tx.execute(query, access_values(tx, actor.company_access))]


def list_names(tx: Connection, actor: Actor) -> dict[int, str]:
    """Returns the names of all companies that are not archived, by id."""
    require_helpdesk(actor)
    rows = _names.all(tx)
    return {company_id: name for company_id, name in rows if actor.company_access.allows(company_id)}


def list_ids_by_part(tx: Connection, actor: Actor, part: str) -> list[int]:
    """Returns the ids of the companies, archived or not, whose names contain a casefolded text."""
    require_helpdesk(actor)
    query = select(companies.c.company_id).where(companies.c.name_key.contains(part, autoescape=True))
    found = tx.execute(query.order_by(companies.c.company_id)).scalars()
    return [company_id for company_id in found if actor.company_access.allows(company_id)]


def get_company(tx: Connection, actor: Actor, company_id: int) -> Company:
    """Returns the company with this id, with `open_issues`. Raises NotFound, which names the id."""
    row = _by_id.row(tx, which=company_id) if _visible(actor, company_id) else None
    if row is None:
        raise _unknown_id(company_id)
    return _company(row)


def lock_company(tx: Connection, actor: Actor, company_id: int, *, to_delete: bool = False) -> Company:
    """Like get_company, but concurrent changes to this company, and assignments of it, wait until the transaction ends.
    With `to_delete`, so does everything that would refer to it.
    """
    if not _visible(actor, company_id):
        raise _unknown_id(company_id)
    # Locked before it is read, so that the second statement sees what a concurrent transaction has committed. Foreign
    # keys do not wait for a lock that retains the key: with an update, for example, they are checked under the lock of
    # an issue, which a new name of the company locks after the company.
    this = select(companies.c.company_id).where(companies.c.company_id == company_id)
    tx.execute(this.with_for_update(key_share=not to_delete))
    return get_company(tx, actor, company_id)


def lock_companies(tx: Connection, actor: Actor, company_ids: Iterable[int]) -> None:
    """Locks several companies as lock_company does, in the order of their ids, so that no two changes deadlock. Ids
    without a company are ignored.
    """
    visible = sorted({company_id for company_id in company_ids if _visible(actor, company_id)})
    query = select(companies.c.company_id).where(among(companies.c.company_id, "ids", tx.dialect.name))
    tx.execute(query.order_by(companies.c.company_id).with_for_update(key_share=True), {"ids": numbers(tx, visible)})


def get_company_by_name(tx: Connection, actor: Actor, name: str) -> Company:
    """Returns the company with this name in any case, without `open_issues`. Raises NotFound, which quotes the name."""
    row = _by_name.row(tx, which=key(name)) if storable(name) else None
    company = None if row is None else _company(row)
    if company is None or not _visible(actor, company.company_id):
        raise NotFound(f"There is no company called “{printable(name)}”.")
    return company


def find_companies(tx: Connection, actor: Actor, names: Iterable[str]) -> dict[str, Company]:
    """Returns the companies with these names by look-up key (`names.key`), without `open_issues`.

    Names without a company are absent from the result.
    """
    keys = list({key(name) for name in names})
    found: dict[str, Company] = {}
    for start in range(0, len(keys), BATCH):
        query = select(companies).where(companies.c.name_key.in_(keys[start : start + BATCH]))
        found |= {row.name_key: _company(row) for row in tx.execute(query) if _visible(actor, row.company_id)}
    return found


def names_like(tx: Connection, actor: Actor, company: Company) -> list[str]:
    """Returns the names of a few other visible companies that look like this company's name."""
    access = actor.company_access
    ids = find_look_alikes(tx, Kind.COMPANY, company.name, other_than=company.company_id, access=access)
    return [one.name for one in get_companies_by_id(tx, actor, ids).values()]


def get_companies(tx: Connection, actor: Actor, names: Iterable[str]) -> dict[str, Company]:
    """Like find_companies, but raises one NotFound that quotes every unknown name (contract, section 4)."""
    names = list(names)
    found = find_companies(tx, actor, names)
    missing = [name for name in names if key(name) not in found]
    if missing:
        raise unknown_companies(missing)
    return found


def unknown_companies(names: Iterable[str]) -> NotFound:
    """Returns the error for names that no company has, all of which it quotes."""
    quoted = dict.fromkeys(f"“{name}”" for name in names)
    there = "There is no company" if len(quoted) == 1 else "There are no companies"
    return NotFound(f"{there} called {', '.join(quoted)}.")


def get_companies_by_id(tx: Connection, actor: Actor, ids: Iterable[int]) -> dict[int, Company]:
    """Returns the companies with these ids by id, without `open_issues`. Ids without a company are absent."""
    visible = sorted({company_id for company_id in ids if _visible(actor, company_id)})
    return {row.company_id: _company(row) for row in _by_ids.rows(tx, ids=numbers(tx, visible))}


def lock_for_assignment(tx: Connection, access: CompanyAccess, chosen: Iterable[Company]) -> dict[int, Company]:
    """Returns companies that this write transaction has read, by id, as they are now; those that were deleted
    meanwhile are absent.

    Concurrent changes to them wait until the transaction ends; on SQLite, all changes do so anyway. `open_issues` is
    not counted again.
    """
    given = {company.company_id: company for company in chosen if access.allows(company.company_id)}
    if tx.dialect.name == "sqlite" or not given:
        return given
    return {row.company_id: _company(row) for row in _to_assign.rows(tx, ids=numbers(tx, sorted(given)))}


def has_references(tx: Connection, actor: Actor, company_id: int) -> bool:
    """Returns whether the company is or ever was assigned to an issue, because the history outlives both.

    Raises NotFound for a company that the actor may not see.
    """
    if not _visible(actor, company_id):
        raise _unknown_id(company_id)
    in_history = exists().where(events.c.company_id == company_id, events.c.audit.is_(False))
    assigned = exists().where(assignments.c.company_id == company_id)
    return bool(tx.execute(select(in_history | assigned)).scalar_one())


def lock_issues_of(tx: Connection, actor: Actor, company_id: int) -> list[int]:
    """Returns the ids of all issues to which the company is assigned; concurrent changes to these issues wait.

    The company must be locked in this transaction (lock_company), so that no other transaction can assign it to another
    issue before this one ends. Raises NotFound for a company that the actor may not see.
    """
    if not _visible(actor, company_id):
        raise _unknown_id(company_id)
    of_company = select(assignments.c.issue_id).where(assignments.c.company_id == company_id)
    query = select(issues.c.issue_id).where(issues.c.issue_id.in_(of_company)).order_by(issues.c.issue_id)
    return list(tx.execute(query.with_for_update()).scalars())


def _visible(actor: Actor, company_id: int) -> bool:
    """Returns whether a company with this id may exist and be visible. Databases hold no ids beyond LARGEST_ID."""
    return 0 < company_id <= LARGEST_ID and actor.company_access.allows(company_id)


def _unknown_id(company_id: int) -> NotFound:
    return NotFound(f"There is no company with the id {company_id}.")


def _with_open_issues() -> Select[Any]:
    open_issues = (
        select(func.count()).where(assignments.c.company_id == companies.c.company_id, is_open).scalar_subquery()
    )
    return select(companies.c.company_id, companies.c.name, companies.c.archived, open_issues.label("open_issues"))


def _company(row: Any) -> Company:
    """Converts a row of the table, or of `_with_open_issues`, to a company."""
    return Company(
        company_id=row.company_id,
        name=row.name,
        archived=bool(row.archived),
        open_issues=getattr(row, "open_issues", 0),
    )


_names = Prepared(lambda _: select(companies.c.company_id, companies.c.name).where(companies.c.archived.is_(False)))
_by_id = Prepared(lambda _: _with_open_issues().where(companies.c.company_id == bindparam("which", type_=Id)))
_by_name = Prepared(
    lambda _: select(companies.c.company_id, companies.c.name, companies.c.archived).where(
        companies.c.name_key == bindparam("which", type_=Key)
    )
)
_by_ids = Prepared(
    lambda dialect: select(companies.c.company_id, companies.c.name, companies.c.archived).where(
        among(companies.c.company_id, "ids", dialect)
    )
)
_to_assign = Prepared(
    lambda dialect: (
        select(companies.c.company_id, companies.c.name, companies.c.archived)
        .where(among(companies.c.company_id, "ids", dialect))
        .order_by(companies.c.company_id)
        # Conflicts with lock_company, and not with other assignments.
        .with_for_update(read=True)
    )
)
