"""Which parts of a handover fit on one printed sheet (A4 or Letter); static/css/handover.css sets their size."""

from collections.abc import Mapping

from issue_tracker.issues.handover import Became, Handover

LINES = 160
"""Number of lines on a sheet with two columns, without the title."""

MOST = {"overdue": 20, "large": 5, "longest": 10}
"""Maximum number of lines of the sections whose items have one line each."""

LINES_OF = {Became.STARTED: 2, Became.CHANGED: 2, Became.ENDED: 1}
"""Number of printed lines for an issue."""


def printed(handover: Handover) -> Mapping[str, int]:
    """Returns how many items of each section are printed. Issues share the lines that the other sections leave: a
    section that needs less than its share leaves the rest to the others.
    """
    numbers = {"overdue": len(handover.overdue), "large": len(handover.large), "longest": len(handover.longest)}
    items: dict[str, int] = {name: min(number, MOST[name]) for name, number in numbers.items()}
    left = LINES - sum(items.values())
    wanted = {what: len(handover.became(what)) for what in Became}
    kinds = sorted(Became, key=lambda what: wanted[what] * LINES_OF[what])
    for place, what in enumerate(kinds):
        items[what] = min(wanted[what], left // (len(kinds) - place) // LINES_OF[what])
        left -= items[what] * LINES_OF[what]
    return items
