"""Guarantees of the database itself: sound files and indexes, valid references, and ids that are never reused."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import Connection, ForeignKeyConstraint, Select, and_, func, or_, select, text

from issue_tracker.actor import Actor
from issue_tracker.database.moving.rows import Reader, shapes
from issue_tracker.database.tables import metadata, webhooks
from issue_tracker.events.queries.webhooks import list_known_company_ids, webhook_from_row
from issue_tracker.invariants.queries.streams import stream

INVALID_INDEXES = text(
    "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid"
    " WHERE relnamespace = current_schema()::regnamespace AND NOT (indisvalid AND indisready)"
)


def damaged_storage(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields what SQLite's integrity check of the whole file finds; on PostgreSQL, invalid indexes."""
    if tx.dialect.name == "sqlite":
        for found in tx.execute(text("PRAGMA integrity_check(20)")).scalars():
            if found != "ok":
                yield f"SQLite's integrity_check reports: {found}."
        return
    for name in tx.execute(INVALID_INDEXES).scalars():
        yield f"The index {name} is not valid."


@cache
def _references() -> list[tuple[ForeignKeyConstraint, Select[Any]]]:
    """Returns each foreign key with a query for the rows that refer to a row which does not exist: their primary keys
    and the missing ones. Building these queries takes longer than executing them on a small database.
    """
    queries = []
    for referring in metadata.sorted_tables:
        for constraint in referring.foreign_key_constraints:
            referred = constraint.referred_table.alias("referred")
            pairs = [(element.parent, referred.c[element.column.name]) for element in constraint.elements]
            there = select(*referred.primary_key).where(and_(*(ours == theirs for ours, theirs in pairs))).exists()
            used = or_(*(ours.is_not(None) for ours, _ in pairs))
            query = select(*referring.primary_key, *(ours.label(f"to_{ours.name}") for ours, _ in pairs))
            queries.append((constraint, query.where(used, ~there)))
    return queries


def orphans(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields rows that refer to a row which does not exist."""
    for constraint, query in _references():
        for row in stream(tx, actor, query):
            *own, missing = row
            identity = ", ".join(map(str, own))
            table, referred = constraint.table.name, constraint.referred_table.name
            yield f"{table} {identity} refers to {referred} {missing}, which does not exist."
    for row in stream(tx, actor, select(webhooks)):
        chosen = set(webhook_from_row(row).company_ids)
        for company_id in sorted(chosen - list_known_company_ids(tx, actor, chosen)):
            yield f"webhooks {row.id} is limited to companies {company_id}, which does not exist."


def used_numbers(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields tables that would reuse an id. Ids are part of URLs, and event ids are positions of clients."""
    reader = Reader.of(tx)
    for shape in shapes():
        if shape.numbered is None:
            continue
        of_table = metadata.tables[shape.table]
        highest = tx.execute(select(func.max(of_table.c[shape.numbered]))).scalar_one() or 0
        last = reader.last_number(shape)
        if last < highest:
            yield f"{shape.table} has the number {highest}, and gives numbers from {last + 1} on."
