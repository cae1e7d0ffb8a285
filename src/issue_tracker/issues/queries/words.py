"""The search by words, as people type them: every word must occur in the name of an issue, in its description or in the
name of a company that it affects.

A single word also finds issues by their former names. If it occurs in no company's name, it is searched as a literal
part (`search.py`), which is as fast.
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
from issue_tracker.issues.queries.former_search import list_formerly_called, search_filter
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
    former = list_formerly_called(tx, actor, words[0]) if len(words) == 1 and not term else []
    if former:
        values["former"] = numbers(tx, former)
    for number, (word, ids) in enumerate(zip(words, companies, strict=True)):
        indexed = len(word) >= search.TRIGRAM
        found.append(_occurs(number, indexed=indexed, in_companies=bool(ids), formerly=bool(former)))
        parts = search.parameters(tx.dialect.name, word).items()
        values |= {f"{name}_{number}": value for name, value in parts} | {f"companies_{number}": numbers(tx, ids)}
    return found


@cache
def _occurs(number: int, *, indexed: bool, in_companies: bool, formerly: bool) -> Condition:
    def condition(dialect: str) -> ColumnElement[bool]:
        found = [search.matching_ids(dialect, number, indexed=indexed)]
        if in_companies:
            of_companies = among(assignments.c.company_id, f"companies_{number}", dialect)
            found.append(select(assignments.c.issue_id).where(of_companies))
        if formerly:
            found.append(select(issues.c.issue_id).where(among(issues.c.issue_id, "former", dialect)))
        return issues.c.issue_id.in_(union_all(*found) if len(found) > 1 else found[0])

    return condition
