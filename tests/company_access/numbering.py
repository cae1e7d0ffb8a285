"""The numbers that the next rows of a table get."""

from sqlalchemy import Connection, Table, func, select, text

from issue_tracker.database import tables

NUMBERED = (
    tables.companies,
    tables.company_groups,
    tables.issues,
    tables.assignments,
    tables.updates,
    tables.users,
    tables.sessions,
    tables.tokens,
    tables.webhooks,
    tables.deliveries,
    tables.alerts,
)


def last_number(tx: Connection, table: Table) -> int:
    [column] = table.primary_key.columns
    highest = tx.execute(select(func.max(column))).scalar_one() or 0
    if table is tables.events:
        return int(highest)
    if tx.dialect.name == "sqlite":
        used = tx.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}).scalar()
    else:
        sequence = tx.execute(
            text("SELECT pg_get_serial_sequence(:name, :column)"), {"name": table.name, "column": column.name}
        ).scalar_one()
        used = tx.execute(text(f"SELECT last_value FROM {sequence}")).scalar_one()
    return max(int(highest), int(used or 0))


def number_from(tx: Connection, table: Table, last: int) -> None:
    """Lets the next row of a table have the number after `last`."""
    if tx.dialect.name == "sqlite":
        tx.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        values = {"name": table.name, "last": last}
        tx.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), values)
        return
    [column] = table.primary_key.columns
    values = {"name": table.name, "column": column.name, "last": max(last, 1)}
    tx.execute(text("SELECT setval(pg_get_serial_sequence(:name, :column), :last)"), values)
