"""The six statuses of an assignment, their labels, and how input is read (specification; contract, section 1)."""

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """The status of an assignment. Constructing one is lenient in form, strict in meaning."""

    NEW = "new"
    INVESTIGATING = "investigating"
    IN_PROGRESS = "in_progress"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @classmethod
    def _missing_(cls, value: object) -> "Status | None":
        if not isinstance(value, str):
            return None
        form = value.strip().casefold().replace(" ", "_").replace("-", "_")
        return next((status for status in cls if status.value == form), None)

    @property
    def label(self) -> str:
        """What people read: `In progress`."""
        return LABELS[self]

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something: neither resolved nor closed."""
        return self not in (Status.RESOLVED, Status.CLOSED)


LABELS = {status: status.value.replace("_", " ").capitalize() for status in Status}

OPEN = tuple(status for status in Status if status.open)

STATUSES = {status.value: status for status in Status}
"""By stored value: constructing one costs more."""

BITS = {status: 1 << position for position, status in enumerate(Status)}


def mask(statuses: Iterable[Status]) -> int:
    """Which statuses occur, as one number: the sum of their bits. Stored, so the order of `Status` stays."""
    found = 0
    for status in statuses:
        found |= BITS[status]
    return found


CHOICES = ", ".join(Status)
"""For messages: every status that is understood."""
