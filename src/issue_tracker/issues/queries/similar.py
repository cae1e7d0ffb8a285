"""Issues whose names are similar to a given name, and how many of their companies are open, to avoid duplicates."""

from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, case, func, select

from issue_tracker.actor import Actor
from issue_tracker.company_access.queries import access_values, of_visible_company
from issue_tracker.database.prepared import Prepared, among, numbers
from issue_tracker.database.tables import assignments
from issue_tracker.database.tables.issues import is_open
from issue_tracker.issues.queries.find import find_issues


class SimilarIssue(msgspec.Struct, frozen=True):
    """An issue with a similar name. `former_name` is its earlier name, if only that one is similar. `open` and `total`
    count its companies.
    """

    issue_id: int
    name: str
    former_name: str | None
    open: int
    total: int


def list_similar_issues(tx: Connection, actor: Actor, name: str, limit: int) -> list[SimilarIssue]:
    """Returns the issues visible to the actor whose names are similar to this one, the most similar first.

    Raises Forbidden without helpdesk access.
    """
    found = find_issues(tx, actor, name, limit)
    access = actor.company_access
    values = {"issues": numbers(tx, [one.issue_id for one in found]), **access_values(tx, access)}
    counts = {issue_id: (total, opened) for issue_id, total, opened in _counts(not access.all).all(tx, **values)}
    shown = []
    for one in found:
        total, opened = counts.get(one.issue_id, (0, 0))
        shown.append(SimilarIssue(one.issue_id, one.name, one.former_name, int(opened), int(total)))
    return shown


@cache
def _counts(limited: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        counted = func.count().label("total"), func.sum(case((is_open, 1), else_=0)).label("open")
        query = select(assignments.c.issue_id, *counted).where(among(assignments.c.issue_id, "issues", dialect))
        if limited:
            query = query.where(of_visible_company(assignments.c.company_id, dialect))
        return query.group_by(assignments.c.issue_id)

    return Prepared(build)
