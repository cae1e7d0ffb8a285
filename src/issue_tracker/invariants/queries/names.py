"""Keys are derived from their texts, and no two names have the same key (contract, section 1)."""

from collections.abc import Iterator

from sqlalchemy import Column, Connection, func, select

from issue_tracker.actor import Actor
from issue_tracker.database.tables import (
    companies,
    company_groups,
    events,
    issue_templates,
    issues,
    scim_groups,
    scim_tokens,
    scim_users,
    users,
)
from issue_tracker.invariants.queries.streams import stream
from issue_tracker.names import key

KEYS: tuple[tuple[Column[str], Column[str]], ...] = (
    (issues.c.name, issues.c.name_key),
    (issues.c.description, issues.c.description_key),
    (companies.c.name, companies.c.name_key),
    (company_groups.c.name, company_groups.c.name_key),
    (issue_templates.c.name, issue_templates.c.name_key),
    (users.c.email, users.c.email_key),
    (scim_users.c.user_name, scim_users.c.user_name_key),
    (scim_groups.c.name, scim_groups.c.name_key),
    (scim_tokens.c.name, scim_tokens.c.name_key),
    (events.c.issue_name, events.c.issue_key),
    (events.c.company_name, events.c.company_key),
)
"""Columns with a text, and the columns with its key: the text casefolded, in NFC."""

UNIQUE = (
    issues.c.name_key,
    companies.c.name_key,
    company_groups.c.name_key,
    issue_templates.c.name_key,
    users.c.email_key,
    scim_groups.c.name_key,
    scim_tokens.c.name_key,
)


def wrong_keys(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields keys that do not fit their texts, with which a name would not be found, or could be used twice."""
    for text, stored in KEYS:
        (id_,) = text.table.primary_key.columns
        for number, original, found in stream(tx, actor, select(id_, text, stored)):
            # An optional text without a value has an empty key, or null if the key is nullable, too.
            expected = (None if stored.nullable else "") if original is None else key(original)
            if found != expected:
                yield f"{text.table.name} {number} has {stored.name} “{found}”; that of “{original}” is “{expected}”."


def equal_names(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields names that several rows have. The database rejects them unless its index is damaged."""
    for stored in UNIQUE:
        # Without the `||`, the damaged index would be used.
        compared = (stored + "").label("compared")
        query = select(compared, func.count()).group_by(compared).having(func.count() > 1)
        for name_key, count in stream(tx, actor, query):
            yield f"{count} rows of {stored.table.name} have {stored.name} “{name_key}”."
