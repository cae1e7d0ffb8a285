"""The only source of the current time. All other code calls `now`, so that tests can set the clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta

Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2025-01-04T10:15:00+00:00"])]
"""An instant in a response, as text; see `iso`."""


SKEW = timedelta(minutes=5)
"""How far the clocks of several machines may differ. A stored time that is even later is that of a wrong clock."""


def _system() -> datetime:
    return datetime.now(UTC)


source: Callable[[], datetime] = _system
"""The function that `now` calls. Only tests and the demonstration data (`demo.py`) replace it."""


def now() -> datetime:
    """Returns the current instant: aware, in UTC, with microseconds."""
    return source()


def in_utc(instant: datetime) -> datetime:
    """Returns an aware instant in UTC; one outside the calendar there becomes the calendar's first or last instant.

    Instants of unknown origin are converted with this function only: `0001-01-01T00:00+01:00` is valid in RFC 3339, but
    Python cannot represent it in UTC.
    """
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        return first if instant.year == 1 else last


def to_the_minute(instant: str) -> str:
    """Returns an instant in the form of `iso`, in UTC, as text for people: `2025-01-04 10:15 UTC`."""
    return f"{instant[:16].replace('T', ' ')} UTC"


def iso(instant: datetime) -> str:
    """Returns ISO 8601 with a numeric UTC offset; with a fraction only if it is not zero (contract, section 1)."""
    return instant.isoformat()
