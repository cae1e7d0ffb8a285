"""The search by words, as people type them: every word must occur in the name of an issue, in its description or in the
name of a company that it affects.

A single word that occurs in no company's name is searched as a literal part (`search.py`), which is as fast; it also
finds issues by their former names.
"""

import re
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, union_all

from issue_tracker.actor import Actor
from issue_tracker.companies.queries import list_ids_by_part
from issue_tracker.database.prepared import among, numbers
from issue_tracker.database.tables import assignments, issues
from issue_tracker.issues.queries import search
from issue_tracker.issues.queries.conditions import Condition
from issue_tracker.issues.queries.former_search import search_filter
from issue_tracker.names import key

MOST = 8
"""Maximum number of words that are searched for; others are ignored."""

_WORD = re.compile(r'"([^"]+)"|(\S+)')


def split_words(text: str) -> tuple[str, ...]:
    """Returns the distinct words of a text, casefolded. A phrase in quotation marks is one word."""
    found = (key(match[1] or match[2]).strip() for match in _WORD.finditer(text))
    return tuple(dict.fromkeys(word for word in found if word))[:MOST]


def add_texts(
    tx: Connection, actor: Actor, term: str, words: tuple[str, ...], values: dict[str, Any]
) -> list[Condition]:
    """Returns the conditions of a casefolded literal term and of words; adds their values. Either may be empty."""
    companies = [list_ids_by_part(tx, actor, word) for word in words]
    if not term and companies == [[]]:
        condition, more = search_filter(tx, actor, words[0])
        values |= more
        return [condition]
    found: list[Condition] = []
    if term:
        # The literal search of the specification does not include former names.
        found.append(search.condition(term))
        values |= search.parameters(tx.dialect.name, term)
    for number, (word, ids) in enumerate(zip(words, companies, strict=True)):
        found.append(_occurs(number, indexed=len(word) >= search.TRIGRAM, in_companies=bool(ids)))
        parts = search.parameters(tx.dialect.name, word).items()
        values |= {f"{name}_{number}": value for name, value in parts} | {f"companies_{number}": numbers(tx, ids)}
    return found


@cache
def _occurs(number: int, *, indexed: bool, in_companies: bool) -> Condition:
    def condition(dialect: str) -> ColumnElement[bool]:
        found = [search.matching_ids(dialect, number, indexed=indexed)]
        if in_companies:
            of_companies = among(assignments.c.company_id, f"companies_{number}", dialect)
            found.append(select(assignments.c.issue_id).where(of_companies))
        return issues.c.issue_id.in_(union_all(*found) if in_companies else found[0])

    return condition
