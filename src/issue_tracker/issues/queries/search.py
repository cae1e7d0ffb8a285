"""Search: a case-insensitive literal substring of name or description, for all of Unicode (contract, section 4).

Both texts are stored casefolded next to the originals. A trigram index (FTS5 on SQLite, pg_trgm on PostgreSQL) finds
terms of at least three characters; a scan finds shorter ones. The result is the same. On SQLite, the index is searched
for trigrams that cover the term without overlaps, and issues that contain all of them are compared with the term: this
reads half as many index entries as a phrase search. Counting alone uses a phrase search, which matches exactly the
substring, so that nothing has to be compared. PostgreSQL compares what its index finds on its own.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, column, func, literal_column, or_, select, table

from issue_tracker.database.prepared import among
from issue_tracker.database.tables import issues
from issue_tracker.issues.queries.conditions import Condition
from issue_tracker.names import key

TRIGRAM = 3

trigram_index = table("issue_search", column("rowid"))
"""The index of SQLite. A `rowid` is an issue_id."""


def search_key(description: str | None) -> str:
    """Returns the form of a description that is stored for the search."""
    return key(description or "")


def condition(term: str, *, formerly: bool = False) -> Condition:
    """Returns the condition that an issue's name or description contains a casefolded term; with `formerly`, that it
    does, or that the issue is in the list `former`.
    """
    if formerly:
        return or_formerly if len(term) >= TRIGRAM else scanned_or_formerly
    return indexed if len(term) >= TRIGRAM else scanned


def parameters(dialect: str, term: str) -> dict[str, str]:
    """Returns the values for the condition and for `count_in_index`. `term` is casefolded and not empty."""
    if dialect == "postgresql":
        return {"pattern": like_pattern(term)}
    if len(term) < TRIGRAM:
        return {"part": term}
    last = len(term) - TRIGRAM
    starts = sorted({*range(0, last, TRIGRAM), last})
    trigrams = " AND ".join(quoted(term[start : start + TRIGRAM]) for start in starts)
    return {"part": term, "phrase": quoted(term), "trigrams": trigrams}


def matching_ids(dialect: str, number: int, *, indexed: bool) -> Select[Any]:
    """Selects the ids of issues that contain a term whose parameters' names end with `_` and this number."""
    query = select(issues.c.issue_id).where(_contains(dialect, f"_{number}"))
    if dialect == "postgresql" or not indexed:
        return query
    return from_index(query.where(matches(f"trigrams_{number}")))


def scanned(dialect: str) -> ColumnElement[bool]:
    """The issue contains the term. On SQLite, every issue is compared."""
    return _contains(dialect, "")


def _contains(dialect: str, suffix: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        pattern = bindparam(f"pattern{suffix}", type_=issues.c.name.type)
        return or_(issues.c.name_key.like(pattern), issues.c.description_key.like(pattern))
    part: ColumnElement[str] = bindparam(f"part{suffix}")
    return or_(func.instr(issues.c.name_key, part) > 0, func.instr(issues.c.description_key, part) > 0)


def indexed(dialect: str) -> ColumnElement[bool]:
    """The issue contains the term. On SQLite, the statement must also select from the index: see `from_index`."""
    return scanned(dialect) if dialect == "postgresql" else and_(matches("trigrams"), scanned(dialect))


def or_formerly(dialect: str) -> ColumnElement[bool]:
    """The issue contains a term in the index, or is in the list `former` of issues with a matching former name."""
    former = among(issues.c.issue_id, "former", dialect)
    if dialect == "postgresql":
        return or_(scanned(dialect), former)
    matching = select(trigram_index.c.rowid).where(matches("trigrams"))
    return or_(and_(issues.c.issue_id.in_(matching), scanned(dialect)), former)


def scanned_or_formerly(dialect: str) -> ColumnElement[bool]:
    """Like or_formerly, for a term that is too short for the index."""
    return or_(scanned(dialect), among(issues.c.issue_id, "former", dialect))


def from_index(query: Select[Any]) -> Select[Any]:
    """Joins SQLite's trigram index to a query on issues."""
    return query.select_from(trigram_index.join(issues, issues.c.issue_id == trigram_index.c.rowid))


def count_in_index() -> Select[Any]:
    """Counts the issues that contain a term, with SQLite's index alone."""
    return select(func.count()).select_from(trigram_index).where(matches("phrase"))


def matches(parameter: str) -> ColumnElement[bool]:
    """The entry of SQLite's index matches the query of FTS5 in a parameter; its texts are written with `quoted`."""
    return literal_column("issue_search").op("MATCH", is_comparison=True)(bindparam(parameter))


def quoted(text: str) -> str:
    """Returns a text as a phrase of FTS5, in which no character has a special meaning."""
    return '"' + text.replace('"', '""') + '"'


def like_pattern(part: str) -> str:
    """Returns the pattern of LIKE for texts that contain a part, for which PostgreSQL uses the pg_trgm index."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
