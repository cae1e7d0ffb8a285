"""The search in a list of issues: by present names and descriptions, and by former names.

There are few former names, so every one of them is compared.
"""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.company_access.queries import access_values, of_visible_issue
from issue_tracker.database.prepared import Prepared, numbers
from issue_tracker.database.tables import former_names
from issue_tracker.database.types import Key
from issue_tracker.issues.queries import search
from issue_tracker.issues.queries.conditions import Condition
from issue_tracker.issues.queries.former_conditions import is_known

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
    """Returns the ids of issues that the actor may see and that have a former name, which the actor may know, that
    contains a casefolded term: of more than MOST, the newest.
    """
    require_helpdesk(actor)
    access = actor.company_access
    values = {"term": term, "limit": MOST, **access_values(tx, access)}
    return [issue_id for (issue_id,) in _containing(not access.all).all(tx, **values)]


@cache
def _containing(limited: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        term = bindparam("term", type_=Key)
        place = func.strpos if dialect == "postgresql" else func.instr
        query = select(former_names.c.issue_id).where(place(former_names.c.name_key, term) > 0)
        if limited:
            # Before the limit: hidden issues must not take the places of visible ones.
            query = query.where(of_visible_issue(former_names.c.issue_id, dialect), is_known(dialect))
        return query.distinct().order_by(former_names.c.issue_id.desc()).limit(bindparam("limit"))

    return Prepared(build)
