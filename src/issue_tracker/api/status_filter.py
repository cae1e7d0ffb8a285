"""The filter by status of lists of assignments: the parameters `status` and `open`."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from issue_tracker.status import FINISHED, OPEN, Status

StatusFilter = Annotated[list[Status], Meta(description="Only assignments in one of these statuses.")]

OpenFilter = Annotated[
    bool | None, Meta(description="`true`: only assignments that are not resolved or closed; `false`: only those.")
]


def selected_statuses(status: Sequence[Status], is_open: bool | None) -> tuple[Status, ...] | None:
    """Returns the statuses that both parameters allow, without repetitions; None if neither is given."""
    statuses = tuple(dict.fromkeys(status)) if status else None
    if is_open is None:
        return statuses
    chosen = OPEN if is_open else FINISHED
    return chosen if statuses is None else tuple(each for each in statuses if each in chosen)
