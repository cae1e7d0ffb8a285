"""Search by words, as people type them: every word must occur somewhere, in the name of an issue, in its description or
in the name of a company that it affects.

A single word that no company has in its name is a search for a literal part (`search.py`), and as fast.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, select, union_all

from issue_tracker.database.prepared import among
from issue_tracker.database.tables import assignments, issues
from issue_tracker.issues.queries import search
from issue_tracker.issues.queries.conditions import Condition
from issue_tracker.names import key

MOST = 8
"""How many words are searched for; others are left out."""

_WORD = re.compile(r'"([^"]+)"|(\S+)')


def split_words(text: str) -> tuple[str, ...]:
    """The words of a text, casefolded, each once. A phrase in quotation marks is one word."""
    found = (key(match[1] or match[2]).strip() for match in _WORD.finditer(text))
    return tuple(dict.fromkeys(word for word in found if word))[:MOST]


def conditions(words: Sequence[str], companies: Sequence[Sequence[int]]) -> list[Condition]:
    """The condition for each word; `companies` are those that have it in their name."""
    return [
        _occurs(number, indexed=len(word) >= search.TRIGRAM, in_companies=bool(ids))
        for number, (word, ids) in enumerate(zip(words, companies, strict=True))
    ]


def parameters(dialect: str, words: Sequence[str], companies: Sequence[Any]) -> dict[str, Any]:
    """The values of the conditions; `companies` as lists of numbers that the database takes."""
    values: dict[str, Any] = {}
    for number, (word, ids) in enumerate(zip(words, companies, strict=True)):
        values |= {f"{name}_{number}": value for name, value in search.parameters(dialect, word).items()}
        values[f"companies_{number}"] = ids
    return values


@cache
def _occurs(number: int, *, indexed: bool, in_companies: bool) -> Condition:
    def condition(dialect: str) -> ColumnElement[bool]:
        found = [search.matching_ids(dialect, number, indexed=indexed)]
        if in_companies:
            of_companies = among(assignments.c.company_id, f"companies_{number}", dialect)
            found.append(select(assignments.c.issue_id).where(of_companies))
        return issues.c.issue_id.in_(union_all(*found) if in_companies else found[0])

    return condition
