"""The driver beneath SQLAlchemy: transactions and the statements of the hot paths use it directly."""

from typing import Any

from sqlalchemy import Connection


def driver(tx: Connection) -> Any:
    """The driver's connection, inside the same transaction. None is left of a connection that was invalidated."""
    return tx.connection.dbapi_connection
