"""The driver underneath SQLAlchemy, which transactions and the statements of the hot paths use directly."""

from typing import Any

from sqlalchemy import Connection


def driver(tx: Connection) -> Any:
    """Returns the driver's connection, in the same transaction; None if the connection was invalidated."""
    return tx.connection.dbapi_connection
