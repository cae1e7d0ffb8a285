"""Names for new issues: from the pattern of a template, or from the name of an earlier issue."""

import re
from datetime import datetime

from issue_tracker.names import NAME_LIMIT

_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")


def filled(pattern: str, at: datetime) -> str:
    """Returns the pattern with `{date}`, `{month}` and `{time}` replaced, in UTC; other braces are kept."""
    parts = {"{date}": f"{at:%Y-%m-%d}", "{month}": f"{at:%Y-%m}", "{time}": f"{at:%H:%M} UTC"}
    for placeholder, text in parts.items():
        pattern = pattern.replace(placeholder, text)
    return pattern


def renewed(name: str, at: datetime) -> str:
    """Returns a name for another issue of the same kind: the dates in `name` are replaced by the date of `at` (UTC);
    without one, the date is appended.
    """
    date = f"{at:%Y-%m-%d}"
    return _DATE.sub(date, name) if _DATE.search(name) else f"{name[: NAME_LIMIT - len(date) - 1]} {date}"
