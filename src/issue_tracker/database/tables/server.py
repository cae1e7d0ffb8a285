"""What servers on the same database share."""

from sqlalchemy import Integer, Text
from sqlalchemy.schema import Column, Table

from issue_tracker.database.tables.metadata import metadata

server_key = Table(
    "server_key",
    metadata,
    # At most one row: the key of servers on PostgreSQL that were given none.
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
)
