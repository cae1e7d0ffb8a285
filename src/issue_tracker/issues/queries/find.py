"""Finds issues by approximate present or former names: for users who type the beginning of a name, or make a mistake.

The trigram index finds candidates that contain at least one half of each word, because a single mistake leaves the
other half unchanged. Only these few are compared with the text. Only names are searched, and only words of at least
three letters.

PostgreSQL's index returns all matches at once, which takes long for words that many names contain. Its newest issues
are therefore read first, without the index; if they contain enough candidates, the index is not read.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, or_, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.company_access.queries import access_values, of_visible_issue
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import former_names, issues
from issue_tracker.issues.queries import search
from issue_tracker.issues.queries.former_conditions import is_known
from issue_tracker.issues.queries.issue import find_issue_head
from issue_tracker.issues.queries.words import split_words
from issue_tracker.names import key

CANDIDATES = 300
"""Maximum number of issues that are compared with the text, the newest first."""

NEWEST, ENOUGH = 5000, 60
"""On PostgreSQL: the number of newest issues that are read without the index, and the number of candidates among them
that makes the index unnecessary.
"""

FORMER = 2000
"""Maximum number of former names that are compared with the text, the latest first."""

MOST_WORDS = 4

ALIKE = 70.0
"""Minimum similarity of a name, of 100."""

CONTAINED = 90.0
"""Minimum similarity of a name that contains the text."""

T = TypeVar("T")


class FoundIssue(msgspec.Struct, frozen=True):
    """An issue whose name is similar to a text, with the similarity `score`, at most 100. `former_name` is its earlier
    name, if that one is more similar than the present name.
    """

    issue_id: int
    name: str
    score: float
    former_name: str | None = None


def find_issues(tx: Connection, actor: Actor, text: str, limit: int) -> list[FoundIssue]:
    """Returns issues visible to the actor with a present or former name similar to the text, the most similar first.

    Raises Forbidden without helpdesk access.
    """
    require_helpdesk(actor)
    words = [word for word in split_words(text) if len(word) >= search.TRIGRAM][:MOST_WORDS]
    if not words:
        return []
    typed = " ".join(split_words(text))
    rows = _rows(tx, actor, words, limit)
    exact = find_issue_head(tx, actor, text.strip())
    if exact is not None:
        # Newer issues with the same words in their names may be more than the candidates.
        rows.append((exact.issue_id, exact.name, key(exact.name)))
    # Of equally similar names, the newest comes first. PostgreSQL returns rows in the order in which they were last
    # written, which would reveal hidden changes.
    rows.sort(key=lambda row: -row[0])
    names = {issue_id: name for issue_id, name, _ in rows}
    found = {
        issue_id: FoundIssue(issue_id, names[issue_id], score)
        for issue_id, score in most_alike(typed, {issue_id: name_key for issue_id, _, name_key in rows}, limit)
    }
    former = _former_names(tx, actor)
    for place, score in most_alike(typed, {place: key(old) for place, (_, _, old) in enumerate(former)}, limit):
        issue_id, name, old = former[place]
        if issue_id not in found or found[issue_id].score < score:
            found[issue_id] = FoundIssue(issue_id, name, score, former_name=old)
    return sorted(found.values(), key=lambda one: -one.score)[:limit]


def most_alike(typed: str, names: Mapping[T, str], limit: int, *, least: float = ALIKE) -> list[tuple[T, float]]:
    """Returns the keys of the casefolded names that are most similar to a text, with their scores, at least `least`."""
    from rapidfuzz import fuzz, process  # noqa: PLC0415 - most servers never need this megabyte

    best = process.extract(typed, names, scorer=fuzz.WRatio, processor=None, score_cutoff=least, limit=limit)
    found: dict[T, float] = {place: score for _, score, place in best}
    # The scorer takes a text for a coincidence if the name is more than eight times as long.
    found |= {place: max(found.get(place, 0), CONTAINED) for place, name in names.items() if typed in name}
    return sorted(found.items(), key=lambda one: -one[1])[:limit]


def _rows(tx: Connection, actor: Actor, words: Sequence[str], limit: int) -> list[Any]:
    if len(words) == 1:
        rows = _candidates(tx, actor, [(words[0],)])
        return rows if len(rows) >= limit else rows + _candidates(tx, actor, [_halves(words[0])])
    # A word that no name contains would make the others read their whole part of the index in vain.
    groups = [_occurring(tx, actor, word) for word in words]
    found = [group for group in groups if group]
    if not found:
        return []
    rows = _candidates(tx, actor, found)
    halves = [_halves(word) for word, group in zip(words, groups, strict=True) if group]
    if len(rows) < limit and halves != found:
        rows += _candidates(tx, actor, halves)
    if not rows and len(found) > 1:
        # Both halves of a short word can be wrong, and no name may contain all words, so each is left out once.
        for left_out in range(len(found)):
            rows += _candidates(tx, actor, [*found[:left_out], *found[left_out + 1 :]])
    return rows


def _occurring(tx: Connection, actor: Actor, word: str) -> tuple[str, ...]:
    """Returns a word if a name contains it; otherwise its halves, or nothing if no name contains any of them."""
    for parts in ((word,), _halves(word)):
        if _candidates(tx, actor, [parts], most=1):
            return parts
    return ()


def _former_names(tx: Connection, actor: Actor) -> list[tuple[int, str, str]]:
    """Returns the id, the present and a former name of renamed issues, both visible to the actor, at most FORMER."""
    access = actor.company_access
    return [
        (issue_id, name, old) for issue_id, name, old in _former(not access.all).all(tx, **access_values(tx, access))
    ]


def _halves(word: str) -> tuple[str, ...]:
    middle = max(search.TRIGRAM, len(word) // 2)
    return tuple(dict.fromkeys((word[:middle], word[-middle:])))


def _candidates(tx: Connection, actor: Actor, groups: Sequence[tuple[str, ...]], most: int | None = None) -> list[Any]:
    """Returns issues whose name contains, of each group, at least one part; at most `most` issues, or CANDIDATES."""
    limited = not actor.company_access.all
    values: dict[str, Any] = {"limit": most or CANDIDATES, **access_values(tx, actor.company_access)}
    arities = tuple(len(group) for group in groups)
    if tx.dialect.name == "postgresql":
        for number, group in enumerate(groups):
            values |= {f"like_{number}_{place}": search.like_pattern(part) for place, part in enumerate(group)}
        if most is None:
            rows = _newest(arities, limited).all(tx, **values)
            if len(rows) >= ENOUGH:
                return list(rows)
        for number, group in enumerate(groups):
            if len(group) > 1:
                values[f"regex_{number}"] = "|".join(map(_literal, group))
    else:
        values["match"] = " AND ".join(f"({' OR '.join(_phrase(part) for part in group)})" for group in groups)
    return list(_statement(arities, limited).all(tx, **values))


def _phrase(part: str) -> str:
    return f"name_key : {search.quoted(part)}"


def _literal(part: str) -> str:
    """Returns a regular expression of PostgreSQL for a text."""
    return "".join(f"\\{letter}" if letter.isascii() and not letter.isalnum() else letter for letter in part)


@lru_cache(maxsize=64)
def _statement(arities: tuple[int, ...], limited: bool) -> Prepared:
    """Returns the statement for groups with these numbers of parts, which uses the trigram index."""

    def build(dialect: str) -> Select[Any]:
        query = _visible(
            select(issues.c.issue_id, issues.c.name, issues.c.name_key), issues.c.issue_id, limited, dialect
        )
        if dialect == "postgresql":
            # One condition for each group, so that a single scan of the index intersects all of them. Without an order,
            # so that PostgreSQL uses the index.
            return query.where(*_indexed(arities)).limit(bindparam("limit"))
        query = search.from_index(query).where(search.matches("match"))
        return query.order_by(search.trigram_index.c.rowid.desc()).limit(bindparam("limit"))

    return Prepared(build)


@lru_cache(maxsize=64)
def _newest(arities: tuple[int, ...], limited: bool) -> Prepared:
    """Returns the statement for the same groups among the newest issues, on PostgreSQL."""

    def build(dialect: str) -> Select[Any]:
        columns = issues.c.issue_id, issues.c.name, issues.c.name_key
        newest = select(*columns).order_by(issues.c.issue_id.desc()).limit(NEWEST).subquery()
        groups = [
            or_(*(_like(newest.c.name_key, number, place) for place in range(arity)))
            for number, arity in enumerate(arities)
        ]
        query = _visible(select(newest).where(*groups), newest.c.issue_id, limited, dialect)
        return query.limit(bindparam("limit"))

    return Prepared(build)


def _visible(query: Select[Any], issue_id: ColumnElement[int], limited: bool, dialect: str) -> Select[Any]:
    return query.where(of_visible_issue(issue_id, dialect)) if limited else query


def _indexed(arities: Sequence[int]) -> list[ColumnElement[bool]]:
    of_type = issues.c.name.type
    return [
        _like(issues.c.name_key, number, 0)
        if arity == 1
        else issues.c.name_key.op("~", is_comparison=True)(bindparam(f"regex_{number}", type_=of_type))
        for number, arity in enumerate(arities)
    ]


def _like(name: ColumnElement[str], number: int, place: int) -> ColumnElement[bool]:
    return name.like(bindparam(f"like_{number}_{place}", type_=issues.c.name.type))


@cache
def _former(limited: bool) -> Prepared:
    def build(dialect: str) -> Select[Any]:
        order = former_names.c.since.desc(), former_names.c.name_key
        query = select(former_names.c.issue_id, former_names.c.name, former_names.c.since, former_names.c.name_key)
        if limited:
            query = query.where(of_visible_issue(former_names.c.issue_id, dialect), is_known(dialect))
        # The few former names are read first: from a join of both tables, SQLite would read all issues.
        latest = query.order_by(*order).limit(FORMER).subquery()
        found = select(issues.c.issue_id, issues.c.name, latest.c.name.label("former_name"))
        found = found.join(latest, latest.c.issue_id == issues.c.issue_id)
        return found.order_by(latest.c.since.desc(), latest.c.name_key)

    return Prepared(build)
