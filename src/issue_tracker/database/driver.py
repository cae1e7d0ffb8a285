"""The driver underneath SQLAlchemy, which transactions and the statements of the hot paths use directly."""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


def driver(tx: Connection) -> Any:
    """Returns the driver's connection, in the same transaction; None if the connection was invalidated."""
    return tx.connection.dbapi_connection


def is_unstorable(error: BaseException) -> bool:
    """Returns whether a parameter of a statement is a text that the database rejects (`names.storable`).

    Both drivers encode texts before they send them; psycopg itself refuses NUL, which SQLite accepts.
    """
    if isinstance(error, UnicodeEncodeError):
        return "surrogates" in error.reason
    of_driver = error.orig if isinstance(error, DBAPIError) else error
    return type(of_driver).__name__ == "DataError" and "cannot contain NUL" in str(of_driver)
