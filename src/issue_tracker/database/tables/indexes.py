"""Indexes that SQLAlchemy declares for each database separately.

Such a declaration would load SQLAlchemy's dialects for both databases, two megabytes of each process. Migrations create
the indexes; what is declared here documents them, and tests/test_migrations.py compares it.
"""

from sqlalchemy.schema import Index

WHERE = "where"
"""The key in `Index.info` of the condition that the rows of a partial index meet."""

TRIGRAMS = "trigrams"
"""The key in `Index.info` that marks a trigram index, which exists only on PostgreSQL."""


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Returns an index of the rows that meet a condition."""
    return Index(name, *columns, unique=unique, info={WHERE: where})


def trigrams(name: str, *columns: str) -> Index:
    """Returns an index of the sequences of three characters in texts, for searches on PostgreSQL."""
    return Index(name, *columns, info={TRIGRAMS: True}).ddl_if(dialect="postgresql")
