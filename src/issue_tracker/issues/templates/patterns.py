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
    if _DATE.search(name):
        return _DATE.sub(date, name)
    # A joiner at the end of a name that is cut off has nothing to join, so that a new name must not contain it.
    return name[: NAME_LIMIT - len(date) - 1].rstrip("\u200c\u200d") + f" {date}"
