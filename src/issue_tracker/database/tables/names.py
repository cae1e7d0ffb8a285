"""The look-alike keys of names."""

from sqlalchemy import String
from sqlalchemy.schema import Column, Index, Table

from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.types import Id, Key

# Not columns of issues, companies and users, where every change of a status would write another index on PostgreSQL.
look_alikes = Table(
    "look_alikes",
    metadata,
    # `issue`, `company` or `user`, and its id.
    Column("kind", String(10), primary_key=True),
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("look_alike_key", Key, nullable=False),
    Index("ix_look_alikes_kind_look_alike_key", "kind", "look_alike_key"),
)
