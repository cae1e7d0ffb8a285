"""The search in a list of issues: by present names and descriptions, and by former names.

There are few former names, so every one of them is compared.
"""

from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.prepared import Prepared, numbers
from issue_tracker.database.tables import former_names
from issue_tracker.database.types import Key
from issue_tracker.issues.queries import search
from issue_tracker.issues.queries.conditions import Condition

MOST = 1000
"""Maximum number of issues that are found by a part of a former name."""


def search_filter(tx: Connection, actor: Actor, term: str) -> tuple[Condition, dict[str, Any]]:
    """Returns the condition of a search for a casefolded term, and the values of its parameters."""
    former = list_formerly_called(tx, actor, term)
    values: dict[str, Any] = dict(search.parameters(tx.dialect.name, term))
    if former:
        values["former"] = numbers(tx, former)
    return search.condition(term, formerly=bool(former)), values


def list_formerly_called(tx: Connection, actor: Actor, term: str) -> list[int]:
    """Returns the ids of issues with a former name that contains a casefolded term. The result is not limited to what
    the actor may see.
    """
    require_helpdesk(actor)
    return [issue_id for (issue_id,) in _containing.all(tx, term=term)]


def _select_containing(dialect: str) -> Any:
    term = bindparam("term", type_=Key)
    place = func.strpos if dialect == "postgresql" else func.instr
    query = select(former_names.c.issue_id).where(place(former_names.c.name_key, term) > 0)
    return query.distinct().limit(MOST)


_containing = Prepared(_select_containing)
