"""Column types with the same meaning on both databases."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from issue_tracker.clock import in_utc

Id = BigInteger().with_variant(Integer(), "sqlite")
"""The id of a row: BIGINT; on SQLite INTEGER, which makes it the rowid."""

Key = Text().with_variant(Text(collation="C"), "postgresql")
"""A look-up key, compared and ordered by code point on both databases, regardless of the server's locale."""


class Instant(TypeDecorator[datetime]):
    """An instant in UTC with microseconds.

    It is `timestamptz` on PostgreSQL, and text of fixed width on SQLite, so that texts sort in chronological order.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(32) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        instant = in_utc(value)
        return instant.isoformat(timespec="microseconds") if dialect.name == "sqlite" else instant

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        instant: datetime = value
        return instant.astimezone(UTC)
