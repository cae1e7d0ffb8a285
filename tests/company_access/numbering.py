"""The ids of the next rows of a table."""

from functools import cache

from sqlalchemy import Connection, Table, TextClause, text

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
    numbers = tx.execute(_last_numbers(tx.dialect.name)).one()
    return dict(zip((*NUMBERED, tables.events), map(int, numbers), strict=True))


@cache
def _last_numbers(dialect: str) -> TextClause:
    columns = [_last_number(table, dialect) for table in NUMBERED]
    return text(f"SELECT {', '.join(columns)}, (SELECT coalesce(max(event_id), 0) FROM events)")


def _last_number(table: Table, dialect: str) -> str:
    [column] = table.primary_key.columns
    highest = f"coalesce((SELECT max({column.name}) FROM {table.name}), 0)"
    if dialect == "sqlite":
        return f"max({highest}, coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table.name}'), 0))"
    sequence = f"pg_get_serial_sequence('{table.name}', '{column.name}')"
    return f"greatest({highest}, coalesce(pg_sequence_last_value({sequence}), 0))"


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
