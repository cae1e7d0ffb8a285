"""Labels and error messages of the filters of issue lists."""

from collections.abc import Sequence

from issue_tracker.errors import AppError, FieldError

FIELD_FILTERS = {
    "severity": "Severity {}",
    "owner": "Owned by {}",
    "tag": "Tag {}",
    "reference": "Reference {}",
    "overdue": "Overdue: {}",
    "unmovedDays": "Unmoved for {} days",
}
"""The filters by fields of issues, and their labels on the page."""

KNOWN_FILTERS = {
    ("owner", "me"): "Mine",
    ("owner", "none"): "No owner",
    ("overdue", "true"): "Update overdue",
    ("overdue", "false"): "Update not overdue",
    ("unmovedDays", "1"): "Unmoved for a day",
}


def field_filters(parameters: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Returns the filters by fields: parameter, value and label."""
    found = []
    for name, value in parameters:
        known = FIELD_FILTERS.get(name) if value else None
        if known is not None:
            found.append((name, value, KNOWN_FILTERS.get((name, value)) or known.format(value)))
    return found


def problems_by_field(refused: AppError, fields: Sequence[str], home: str = "others") -> dict[str, str]:
    """Returns error messages by the field next to which each is shown; `others` if there is no such field.

    `home` is the field for an error that names no field.
    """
    wrong: dict[str, str] = {}
    for each in refused.fields or (FieldError(home, refused.detail),):
        place = each.field if each.field in (*fields, home) else "others"
        named = each.message if place == each.field else f"{each.field}: {each.message}"
        wrong[place] = f"{wrong.get(place, '')} {named[:1].upper()}{named[1:].rstrip('.')}.".strip()
    return wrong
