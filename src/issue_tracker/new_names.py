"""Checks of new names: characters that they must not contain, and existing names that look like them.

Existing names are never checked again, so that each of them remains reachable and usable, whatever it contains
(docs/decisions/0023-look-alike-names.md).
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, insert, select

from issue_tracker.actor import ALL_COMPANIES, CompanyAccess
from issue_tracker.company_access.queries import access_values, of_visible_company
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import look_alikes
from issue_tracker.database.types import Id
from issue_tracker.errors import Invalid
from issue_tracker.looks import illegible, look_alike_key

REPORTED = 5
"""Maximum number of look-alikes of a name that are looked up; one is enough for a warning."""


Visible = Callable[[ColumnElement[int], str], ColumnElement[bool]]
"""Turns the column of an id and the dialect's name into the condition that a limited company access reveals it."""


class Kind(StrEnum):
    """What a name belongs to. Names are compared only within one kind."""

    ISSUE = "issue"
    COMPANY = "company"
    USER = "user"


def require_visible(field: str, text: str) -> None:
    """Raises Invalid for `field` if a name contains an invisible character, or too many marks on one character."""
    if reason := illegible(text):
        raise Invalid.field(field, reason)


def remember(tx: Connection, kind: Kind, names: Mapping[int, str]) -> None:
    """Stores the look-alike keys of new names, by the ids of what they belong to."""
    rows = [{"kind": kind.value, "id": id_, "look_alike_key": look_alike_key(name)} for id_, name in names.items()]
    if len(rows) == 1:
        _remember.send(tx, **rows[0])
    elif rows:
        _remember.run_many(tx, rows)


def remember_new(tx: Connection, kind: Kind, id_: int, name: str) -> None:
    """Replaces the look-alike key of the former name."""
    forget(tx, kind, id_)
    remember(tx, kind, {id_: name})


def forget(tx: Connection, kind: Kind, id_: int) -> None:
    """Deletes the look-alike key of what was deleted."""
    tx.execute(delete(look_alikes).where(look_alikes.c.kind == kind.value, look_alikes.c.id == id_))


def find_look_alikes(
    tx: Connection,
    kind: Kind,
    name: str,
    *,
    other_than: int | None = None,
    access: CompanyAccess = ALL_COMPANIES,
    visible: Visible = of_visible_company,
) -> list[int]:
    """Returns the ids of at most REPORTED names that look like this one, including equal ones, except `other_than`.

    `visible` is for a limited `access`, so that hidden names do not take the places of visible ones.
    """
    wanted = look_alike_key(name)
    if not wanted:
        return []
    # No id is 0.
    values = {"kind": kind.value, "look_alike_key": wanted, "other_than": other_than or 0}
    found = _look_alikes(None if access.all else visible).all(tx, **values, **access_values(tx, access))
    return [id_ for (id_,) in found]


@cache
def _look_alikes(visible: Visible | None) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        alike = (
            look_alikes.c[name] == bindparam(name, type_=look_alikes.c[name].type)
            for name in ("kind", "look_alike_key")
        )
        query = select(look_alikes.c.id).where(*alike, look_alikes.c.id != bindparam("other_than", type_=Id))
        if visible is not None:
            query = query.where(visible(look_alikes.c.id, dialect))
        return query.order_by(look_alikes.c.id).limit(REPORTED)

    return Prepared(build)


_remember = Prepared(
    lambda _: insert(look_alikes).values({one.name: bindparam(one.name, type_=one.type) for one in look_alikes.c})
)
