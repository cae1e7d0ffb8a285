"""Reads of companies."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, bindparam, func, literal, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import assignments, companies
from issue_tracker.database.types import Id, Key
from issue_tracker.errors import NotFound
from issue_tracker.names import NAME_LIMIT, key, printable, storable
from issue_tracker.status import OPEN

LARGEST_ID = 2**63 - 1


class Company(msgspec.Struct, frozen=True):
    """A client company. `open_issues` counts its assignments that are neither resolved nor closed."""

    company_id: int
    name: str
    archived: bool
    open_issues: int


def list_companies(tx: Connection, actor: Actor, *, search: str = "", include_archived: bool = False) -> list[Company]:
    """Companies by name, casefolded; `search` is a case-insensitive literal part of the name."""
    require_helpdesk(actor)
    query = _select().order_by(companies.c.name_key, companies.c.company_id)
    if not include_archived:
        query = query.where(companies.c.archived.is_(False))
    if not storable(search) or len(search) > NAME_LIMIT:
        return []
    if search:
        query = query.where(companies.c.name_key.contains(key(search), autoescape=True))
    return [_company(row) for row in tx.execute(query)]


def get_company(tx: Connection, company_id: int) -> Company:
    """Raises NotFound, naming the number."""
    row = _by_id.first(tx, which=company_id) if 0 < company_id <= LARGEST_ID else None
    if row is None:
        raise NotFound(f"There is no company with the id {company_id}.")
    return _company(row)


def get_company_by_name(tx: Connection, name: str) -> Company:
    """Raises NotFound, naming the company. `open_issues` is not counted."""
    row = _by_name.first(tx, which=key(name)) if storable(name) else None
    if row is None:
        raise NotFound(f"There is no company called “{printable(name)}”.")
    return _company(row)


def find_companies(tx: Connection, names: Iterable[str]) -> dict[str, Company]:
    """The companies with these names, by look-up key; unknown ones are absent. `open_issues` is not counted."""
    keys = list({key(name) for name in names})
    found = {}
    for start in range(0, len(keys), 500):
        query = select(companies).where(companies.c.name_key.in_(keys[start : start + 500]))
        for row in tx.execute(query):
            found[row.name_key] = Company(row.company_id, row.name, bool(row.archived), 0)
    return found


def get_companies(tx: Connection, names: Iterable[str]) -> dict[str, Company]:
    """As find_companies. Raises one NotFound that names every unknown company (contract, section 4)."""
    names = list(names)
    found = find_companies(tx, names)
    missing = [f"“{name}”" for name in names if key(name) not in found]
    if missing:
        there = "There is no company" if len(missing) == 1 else "There are no companies"
        raise NotFound(f"{there} called {', '.join(dict.fromkeys(missing))}.")
    return found


def get_companies_by_id(tx: Connection, ids: Iterable[int]) -> dict[int, Company]:
    """The companies with these ids; unknown ones are absent. `open_issues` is not counted."""
    wanted = sorted({company_id for company_id in ids if 0 < company_id <= LARGEST_ID})
    found = {}
    for start in range(0, len(wanted), 500):
        query = select(companies).where(companies.c.company_id.in_(wanted[start : start + 500]))
        for row in tx.execute(query):
            found[row.company_id] = Company(row.company_id, row.name, bool(row.archived), 0)
    return found


def _select() -> Select[Any]:
    open_issues = (
        select(func.count())
        .where(
            assignments.c.company_id == companies.c.company_id,
            assignments.c.status.in_([literal(status.value) for status in OPEN]),
        )
        .scalar_subquery()
    )
    return select(companies.c.company_id, companies.c.name, companies.c.archived, open_issues.label("open_issues"))


def _company(row: Sequence[Any]) -> Company:
    company_id, name, archived, open_issues = row
    return Company(company_id, name, bool(archived), open_issues)


_by_id = Prepared(lambda _: _select().where(companies.c.company_id == bindparam("which", type_=Id)))
_by_name = Prepared(
    lambda _: select(companies.c.company_id, companies.c.name, companies.c.archived, literal(0)).where(
        companies.c.name_key == bindparam("which", type_=Key)
    )
)
