"""What the schema records about itself, in addition to Alembic's own table `alembic_version`."""

from sqlalchemy import Integer, String
from sqlalchemy.schema import Column, Table

from issue_tracker.database.tables.metadata import metadata

# One row: the version of the schema, and the version that the oldest program which may run on it needs
# (database/migrate.py).
schema_compatibility = Table(
    "schema_compatibility",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("version", String(32), nullable=False),
    Column("oldest_program", String(32), nullable=False),
)
