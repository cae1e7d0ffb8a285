"""Finds an issue by a text similar to its name, for people who type the beginning, or make a mistake.

The trigram index finds candidates that contain at least one half of each word, because a single mistake leaves the
other half unchanged. Only these few are compared with the text. Only names are searched, and only words of at least
three letters.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, column, exists, literal_column, or_, select, table

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.database.prepared import Prepared, among, numbers
from issue_tracker.database.tables import assignments, issues
from issue_tracker.issues.queries.search import TRIGRAM
from issue_tracker.issues.queries.words import split_words

CANDIDATES = 300
"""Maximum number of issues that are compared with the text, the newest first."""

MOST_WORDS = 4

ALIKE = 70.0
"""Minimum similarity of a name, of 100."""

_index = table("issue_search", column("rowid"))


class FoundIssue(msgspec.Struct, frozen=True):
    """An issue with a name similar to a text; `score` is the similarity, of 100."""

    issue_id: int
    name: str
    score: float


def find_issues(tx: Connection, actor: Actor, text: str, limit: int) -> list[FoundIssue]:
    """Returns visible issues with names similar to the text, the most similar first, at most `limit`."""
    # Imported here, because most servers never need it, and it takes a megabyte of memory.
    from rapidfuzz import fuzz, process  # noqa: PLC0415

    require_helpdesk(actor)
    words = [word for word in split_words(text) if len(word) >= TRIGRAM][:MOST_WORDS]
    if not words:
        return []
    halves = [_halves(word) for word in words]
    rows = _candidates(tx, actor, [(word,) for word in words])
    if len(rows) < limit:
        rows += _candidates(tx, actor, halves)
    if not rows and len(words) > 1:
        # Both halves of a short word can be wrong, so each word is left out once.
        for left_out in range(len(words)):
            rows += _candidates(tx, actor, [*halves[:left_out], *halves[left_out + 1 :]])
    names = {issue_id: name_key for issue_id, _, name_key in rows}
    shown = {issue_id: name for issue_id, name, _ in rows}
    best = process.extract(
        " ".join(split_words(text)), names, scorer=fuzz.WRatio, processor=None, score_cutoff=ALIKE, limit=limit
    )
    return [FoundIssue(issue_id, shown[issue_id], score) for _, score, issue_id in best]


def _halves(word: str) -> tuple[str, ...]:
    middle = max(TRIGRAM, len(word) // 2)
    return tuple(dict.fromkeys((word[:middle], word[-middle:])))


def _candidates(tx: Connection, actor: Actor, groups: Sequence[tuple[str, ...]]) -> list[Any]:
    """Returns issues whose name contains, of each group, at least one part."""
    limited = actor.company_access.company_ids is not None
    values: dict[str, Any] = {"limit": CANDIDATES}
    if actor.company_access.company_ids is not None:
        values["access"] = numbers(tx, sorted(actor.company_access.company_ids))
    if tx.dialect.name == "postgresql":
        for number, group in enumerate(groups):
            for place in (0, 1):
                values[f"part_{number}_{place}"] = _pattern(group[place % len(group)])
    else:
        values["match"] = " AND ".join(f"({' OR '.join(_phrase(part) for part in group)})" for group in groups)
    return list(_statement(len(groups), limited).all(tx, **values))


def _phrase(part: str) -> str:
    quoted = part.replace('"', '""')
    return f'name_key : "{quoted}"'


def _pattern(part: str) -> str:
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


@lru_cache(maxsize=16)
def _statement(groups: int, limited: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        query: Select[Any] = select(issues.c.issue_id, issues.c.name, issues.c.name_key)
        if limited:
            visible = among(assignments.c.company_id, "access", dialect)
            query = query.where(exists().where(assignments.c.issue_id == issues.c.issue_id, visible))
        if dialect == "postgresql":
            # Without an order, so that PostgreSQL uses the trigram index.
            return query.where(*(or_(*_parts(number)) for number in range(groups))).limit(bindparam("limit"))
        match = literal_column("issue_search").op("MATCH", is_comparison=True)(bindparam("match"))
        query = query.select_from(_index.join(issues, issues.c.issue_id == _index.c.rowid)).where(match)
        return query.order_by(_index.c.rowid.desc()).limit(bindparam("limit"))

    return Prepared(build)


def _parts(number: int) -> list[ColumnElement[bool]]:
    patterns = (bindparam(f"part_{number}_{place}", type_=issues.c.name.type) for place in (0, 1))
    return [issues.c.name_key.like(pattern) for pattern in patterns]
