"""Inserts of rows that may exist, with ON CONFLICT, which SQLAlchemy declares for each database separately."""

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def upsert(tx: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Returns an insert to which `on_conflict_do_update` or `on_conflict_do_nothing` is added."""
    if tx.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 2 MB, which a process on SQLite does not need

    return postgresql.insert(table)
