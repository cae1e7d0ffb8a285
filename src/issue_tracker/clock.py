"""The one place where time enters. Everything else asks here, so that tests can set the clock."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2025-01-04T10:15:00+00:00"])]
"""An instant as it leaves the product: see `iso`."""


def _system() -> datetime:
    return datetime.now(UTC)


source: Callable[[], datetime] = _system
"""What `now` asks. Tests replace it; the product never does."""


def now() -> datetime:
    """The present instant, aware, in UTC, with microseconds."""
    return source()


def iso(instant: datetime) -> str:
    """ISO 8601 with a numeric UTC offset; the fraction only when it is not zero (contract, section 1)."""
    return instant.isoformat()
