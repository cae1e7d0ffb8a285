"""Names of issues from patterns: that of a template, or the name of an issue that is used again."""

import re
from datetime import datetime

from issue_tracker.names import NAME_LIMIT

_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")


def filled(pattern: str, at: datetime) -> str:
    """The pattern with `{date}`, `{month}` and `{time}` replaced, in UTC; other braces stay."""
    parts = {"{date}": f"{at:%Y-%m-%d}", "{month}": f"{at:%Y-%m}", "{time}": f"{at:%H:%M} UTC"}
    for placeholder, text in parts.items():
        pattern = pattern.replace(placeholder, text)
    return pattern


def renewed(name: str, at: datetime) -> str:
    """The name for another issue of the same kind: with the date of `at`, in UTC, in place of the one that it has, or
    behind it.
    """
    date = f"{at:%Y-%m-%d}"
    return _DATE.sub(date, name) if _DATE.search(name) else f"{name[: NAME_LIMIT - len(date) - 1]} {date}"
