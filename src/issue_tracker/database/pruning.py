"""Deletes expired rows in pieces, so that other writers wait only for milliseconds."""

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, delete, select

BATCH = 1000
"""Maximum number of rows of one piece."""


def delete_piece(tx: Connection, key: Column[Any], *conditions: ColumnElement[bool]) -> int:
    """Deletes at most BATCH of the rows that meet the conditions. `key` is the primary key of their table.

    Returns their number; 0 if none are left.
    """
    chosen = select(key).where(*conditions).limit(BATCH)
    return tx.execute(delete(key.table).where(key.in_(chosen))).rowcount
