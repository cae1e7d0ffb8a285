"""Search equals a scan: the index finds the same issues as a comparison with the texts of every issue.

The check uses words of the newest issues, which a crash may have damaged, and of some others. On SQLite, the index is
also compared with the existing issues.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, column, func, select, table, text

from issue_tracker.actor import Actor
from issue_tracker.database.tables import issues
from issue_tracker.invariants.queries.streams import stream
from issue_tracker.issues.queries import search
from issue_tracker.names import key

SAMPLE = 50
"""Number of the newest issues, and approximate number of all others, from each of which one word of the name and one of
the description are searched for.
"""

_words = re.compile(r"\w{%d,}" % search.TRIGRAM)  # noqa: UP031 - braces
_known = table("issue_search_docsize", column("id"))
"""SQLite's internal table of the issues that its index contains."""


def wrong_search(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields words that the index does not find in exactly the issues that contain them."""
    if tx.dialect.name == "sqlite":
        yield from _unknown_to_index(tx, actor)
    words = sorted(_sample(tx, actor))
    scanned = dict.fromkeys(words, (0, 0))
    for issue_id, *texts in stream(tx, actor, select(issues.c.issue_id, issues.c.name, issues.c.description)):
        texts_of_issue = [key(part or "") for part in texts]
        for word in words:
            if any(word in part for part in texts_of_issue):
                count, ids = scanned[word]
                scanned[word] = count + 1, ids + issue_id
    for word in words:
        for source, found in _indexed(tx, word).items():
            # Equal counts with equal sums of ids mean equal issues, and need little memory.
            if found not in (scanned[word], scanned[word][:1]):
                yield f"{source} finds “{word}” in {found[0]} issues; a scan finds it in {scanned[word][0]}."


def _sample(tx: Connection, actor: Actor) -> set[str]:
    last = tx.execute(select(func.max(issues.c.issue_id))).scalar_one() or 0
    step = max(1, last // SAMPLE)
    query = select(issues.c.name, issues.c.description)
    newest = query.order_by(issues.c.issue_id.desc()).limit(SAMPLE)
    others = query.where(issues.c.issue_id % step == 0).limit(SAMPLE)
    found: set[str] = set()
    for chosen in (newest, others):
        for texts in stream(tx, actor, chosen):
            for part in texts:
                longest = max(_words.findall(key(part or "")), key=len, default="")
                # Words of real texts are short; a long one would only take longer.
                found.add(longest[:20])
    return found - {""}


def _indexed(tx: Connection, word: str) -> dict[str, Sequence[int]]:
    """Returns what the product's own statements find: the number of issues and, if available, the sum of their ids."""
    parameters = search.parameters(tx.dialect.name, word)
    matches: Select[Any] = select(func.count(), func.coalesce(func.sum(issues.c.issue_id), 0)).where(
        search.indexed(tx.dialect.name)
    )
    if tx.dialect.name == "sqlite":
        found = tx.execute(search.from_index(matches), parameters).one()
        counted = tx.execute(search.count_in_index(), parameters).scalar_one()
        return {"Search": (found[0], found[1]), "The total of a search": (counted,)}
    # Otherwise PostgreSQL would scan a small table instead of using the index.
    tx.execute(text("SET LOCAL enable_seqscan = off"))
    found = tx.execute(matches, parameters).one()
    tx.execute(text("SET LOCAL enable_seqscan = on"))
    return {"Search": (found[0], int(found[1]))}


def _unknown_to_index(tx: Connection, actor: Actor) -> Iterator[str]:
    unknown = select(issues.c.issue_id).where(~select(_known).where(_known.c.id == issues.c.issue_id).exists())
    for (issue_id,) in stream(tx, actor, unknown):
        yield f"The index of search does not contain issue {issue_id}."
    gone = select(_known.c.id).where(~select(issues.c.issue_id).where(issues.c.issue_id == _known.c.id).exists())
    for (issue_id,) in stream(tx, actor, gone):
        yield f"The index of search contains issue {issue_id}, which does not exist."
