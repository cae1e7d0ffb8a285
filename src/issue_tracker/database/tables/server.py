"""What servers on the same database share."""

from sqlalchemy import Integer, Text
from sqlalchemy.schema import Column, Table

from issue_tracker.database.tables.metadata import metadata

server_key = Table(
    "server_key",
    metadata,
    # At most one row: the server key on PostgreSQL, if the settings contain none.
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
)
