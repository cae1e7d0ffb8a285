"""The only source of the current time. All other code calls `now`, so that tests can set the clock."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2025-01-04T10:15:00+00:00"])]
"""An instant in a response, as text; see `iso`."""


def _system() -> datetime:
    return datetime.now(UTC)


source: Callable[[], datetime] = _system
"""The function that `now` calls. Only tests and the demonstration data (`demo.py`) replace it."""


def now() -> datetime:
    """Returns the current instant: aware, in UTC, with microseconds."""
    return source()


def iso(instant: datetime) -> str:
    """Returns ISO 8601 with a numeric UTC offset; with a fraction only if it is not zero (contract, section 1)."""
    return instant.isoformat()
