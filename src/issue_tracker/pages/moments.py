"""Times in forms, and durations in texts."""

from datetime import UTC, datetime, timedelta

from issue_tracker.errors import InvalidQuery


def read_moment(name: str, text: str) -> datetime | None:
    """Parses a time as time fields send it, in UTC or with an offset, and returns it in UTC; None if the text is empty.

    Raises InvalidQuery.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidQuery.field(name, "must be a time, such as 2025-01-04T10:15 in UTC") from None


def duration(length: timedelta) -> str:
    """Formats a duration in at most two units: `6 d`, `3 h 20 min`, `4 min`."""
    minutes = max(0, int(length.total_seconds()) // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days:,} d {hours} h" if hours and days < 3 else f"{days:,} d"
    if hours:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{rest} min"
