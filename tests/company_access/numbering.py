"""The ids of the next rows of a table."""

from typing import Any

from sqlalchemy import Connection, Select, Table, func, select, text

from issue_tracker.database import tables

NUMBERED = (
    tables.companies,
    tables.company_groups,
    tables.issue_templates,
    tables.issues,
    tables.assignments,
    tables.updates,
    tables.users,
    tables.sessions,
    tables.tokens,
    tables.webhooks,
    tables.deliveries,
    tables.alerts,
    tables.saved_views,
)


def last_numbers(tx: Connection) -> dict[Table, int]:
    """Returns the last number that was given to a row, by table: those of NUMBERED, and the events."""
    queries = [_last_number(table, tx.dialect.name) for table in NUMBERED]
    queries.append(select(func.coalesce(func.max(tables.events.c.event_id), 0)))
    numbers = tx.execute(select(*(query.scalar_subquery() for query in queries))).one()
    return dict(zip((*NUMBERED, tables.events), map(int, numbers), strict=True))


def _last_number(table: Table, dialect: str) -> Select[Any]:
    [column] = table.primary_key.columns
    highest = func.coalesce(select(func.max(column)).scalar_subquery(), 0)
    if dialect == "sqlite":
        used = text(f"(SELECT seq FROM sqlite_sequence WHERE name = '{table.name}')")
        return select(func.max(highest, func.coalesce(used, 0)))
    used = text(f"pg_sequence_last_value(pg_get_serial_sequence('{table.name}', '{column.name}'))")
    return select(func.greatest(highest, func.coalesce(used, 0)))


def number_from(tx: Connection, table: Table, last: int) -> None:
    """Sets the id of the next row of a table to the one after `last`."""
    if tx.dialect.name == "sqlite":
        tx.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        values = {"name": table.name, "last": last}
        tx.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), values)
        return
    [column] = table.primary_key.columns
    values = {"name": table.name, "column": column.name, "last": max(last, 1)}
    tx.execute(text("SELECT setval(pg_get_serial_sequence(:name, :column), :last)"), values)
