"""Search: a case-insensitive literal substring of name or description, all of Unicode (contract, section 4).

Both texts are stored casefolded beside the originals. A trigram index (SQLite FTS5, PostgreSQL pg_trgm) finds
terms of three characters and more; shorter ones are found by a scan. The meaning is the same. On SQLite the index is
asked for trigrams that cover the term side by side, and what has all of them is compared: that reads half of the index
entries that the phrase would take. The phrase itself, which is a substring exactly, counts. PostgreSQL rechecks.
"""

from enum import Enum

from sqlalchemy import ColumnElement, bindparam, func, or_

from issue_tracker.database.tables import issues
from issue_tracker.names import key

TRIGRAM = 3


class Term(Enum):
    """What is searched for: nothing, something too short for the index, or something that it finds."""

    NONE = "none"
    SHORT = "short"
    INDEXED = "indexed"


def search_key(description: str | None) -> str:
    """The form of a description that search compares."""
    return key(description or "")


def kind(term: str) -> Term:
    """How a trimmed term is found."""
    folded = key(term)
    if not folded:
        return Term.NONE
    return Term.SHORT if len(folded) < TRIGRAM else Term.INDEXED


def parameters(dialect: str, term: str) -> dict[str, str]:
    """The values for `matches`, or for SQLite's index."""
    folded = key(term)
    if dialect == "postgresql":
        # LIKE with everything escaped: pg_trgm's index serves it, and rechecks it.
        escaped = folded.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return {"pattern": f"%{escaped}%"}
    if kind(term) is Term.SHORT:
        return {"part": folded}
    last = len(folded) - TRIGRAM
    starts = sorted({*range(0, last, TRIGRAM), last})
    trigrams = " AND ".join(_quoted(folded[start : start + TRIGRAM]) for start in starts)
    return {"part": folded, "phrase": _quoted(folded), "trigrams": trigrams}


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def matches(dialect: str) -> ColumnElement[bool]:
    """The condition that an issue's name or description contains the term."""
    if dialect == "postgresql":
        pattern = bindparam("pattern", type_=issues.c.name.type)
        return or_(issues.c.name_key.like(pattern), issues.c.description_key.like(pattern))
    part: ColumnElement[str] = bindparam("part")
    return or_(func.instr(issues.c.name_key, part) > 0, func.instr(issues.c.description_key, part) > 0)
