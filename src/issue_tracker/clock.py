"""The only source of the current time. All other code calls `now`, so that tests can set the clock."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2025-01-04T10:15:00+00:00"])]
"""An instant in a response: see `iso`."""


def _system() -> datetime:
    return datetime.now(UTC)


source: Callable[[], datetime] = _system
"""The function that `now` calls. Tests replace it; the product never does."""


def now() -> datetime:
    """The current instant: aware, in UTC, with microseconds."""
    return source()


def iso(instant: datetime) -> str:
    """ISO 8601 with a numeric UTC offset; the fraction only when it is not zero (contract, section 1)."""
    return instant.isoformat()
