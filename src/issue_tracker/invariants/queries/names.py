"""Keys are made from their texts, and no two names have the same key (contract, section 1)."""

from collections.abc import Iterator

from sqlalchemy import Column, Connection, func, select

from issue_tracker.actor import Actor
from issue_tracker.database.tables import companies, company_groups, events, issues, users
from issue_tracker.invariants.queries.streams import stream
from issue_tracker.names import key

KEYS: tuple[tuple[Column[str], Column[str]], ...] = (
    (issues.c.name, issues.c.name_key),
    (issues.c.description, issues.c.description_key),
    (companies.c.name, companies.c.name_key),
    (company_groups.c.name, company_groups.c.name_key),
    (users.c.email, users.c.email_key),
    (events.c.issue_name, events.c.issue_key),
    (events.c.company_name, events.c.company_key),
)
"""Columns with a text, and those with its key: the text casefolded, in NFC."""

UNIQUE = (issues.c.name_key, companies.c.name_key, company_groups.c.name_key, users.c.email_key)


def wrong_keys(tx: Connection, actor: Actor) -> Iterator[str]:
    """Keys that are not those of their texts. Then a name is not found, or is given a second time."""
    for text, stored in KEYS:
        (id_,) = text.table.primary_key.columns
        for number, original, found in stream(tx, actor, select(id_, text, stored)):
            # A text that may be missing has an empty key, or none where the key may be missing too.
            expected = (None if stored.nullable else "") if original is None else key(original)
            if found != expected:
                yield f"{text.table.name} {number} has {stored.name} “{found}”; that of “{original}” is “{expected}”."


def equal_names(tx: Connection, actor: Actor) -> Iterator[str]:
    """Names that several rows have. The database itself refuses them, unless its index is damaged."""
    for stored in UNIQUE:
        # Without the `||`, the damaged index would be searched.
        compared = (stored + "").label("compared")
        query = select(compared, func.count()).group_by(compared).having(func.count() > 1)
        for name_key, count in stream(tx, actor, query):
            yield f"{count} rows of {stored.table.name} have {stored.name} “{name_key}”."
