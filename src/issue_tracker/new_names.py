"""Names that are about to be given: what must not be in them, and which names that exist look like them.

Names that exist are never checked again, so each of them stays reachable and usable, whatever is in it
(docs/decisions/0023-look-alike-names.md).
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from issue_tracker.database.tables import look_alikes
from issue_tracker.errors import Invalid
from issue_tracker.looks import invisible, look_alike_key

REPORTED = 5
"""How many look-alikes of a name are looked up; one is enough for a warning."""


class Kind(StrEnum):
    """What has a name that others are compared with."""

    ISSUE = "issue"
    COMPANY = "company"
    USER = "user"


def require_visible(field: str, text: str) -> None:
    """Raises Invalid, about the field, for a name with an invisible character in it."""
    if reason := invisible(text):
        raise Invalid.field(field, reason)


def remember(tx: Connection, kind: Kind, names: Mapping[int, str]) -> None:
    """Makes the names of what was just created findable by what they look like."""
    rows = [{"kind": kind.value, "id": id_, "look_alike_key": look_alike_key(name)} for id_, name in names.items()]
    if rows:
        tx.execute(insert(look_alikes), rows)


def remember_new(tx: Connection, kind: Kind, id_: int, name: str) -> None:
    """Makes the new name findable in place of the former one."""
    forget(tx, kind, id_)
    remember(tx, kind, {id_: name})


def forget(tx: Connection, kind: Kind, id_: int) -> None:
    """Forgets the name of what was deleted."""
    tx.execute(delete(look_alikes).where(look_alikes.c.kind == kind.value, look_alikes.c.id == id_))


def find_look_alikes(
    tx: Connection,
    kind: Kind,
    name: str,
    *,
    other_than: int | None = None,
    visible: Callable[[ColumnElement[int]], ColumnElement[bool]] | None = None,
    **values: Any,
) -> list[int]:
    """The ids of at most REPORTED names that look like this one, equal ones too, without that of `other_than`.

    `visible` makes of the column of an id the condition that the actor sees it, whose parameters are `values`: those
    that are hidden must not take the place of others.
    """
    wanted = look_alike_key(name)
    if not wanted:
        return []
    query = select(look_alikes.c.id).where(look_alikes.c.kind == kind.value, look_alikes.c.look_alike_key == wanted)
    if other_than is not None:
        query = query.where(look_alikes.c.id != other_than)
    if visible is not None:
        query = query.where(visible(look_alikes.c.id))
    return list(tx.execute(query.order_by(look_alikes.c.id).limit(REPORTED), values).scalars())
