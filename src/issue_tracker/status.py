"""The statuses of an assignment: one table, from which everything else is derived (specification; contract, section 1).

Python code reads the table through the mappings below it. Templates receive it as `statuses`. Scripts and style sheets
receive it as generated files (`pages/status_assets.py`). Nothing else repeats a label, an order, a colour or a key.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Status(StrEnum):
    """The status of an assignment, as it is stored and sent.

    Requests may contain it in any case, with surrounding white space, and with a space or a hyphen for the underscore,
    such as `In-Progress`.
    """

    # The constructor accepts the same, and raises ValueError for everything else.
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
        """The name that people read: `In progress`."""
        return LABELS[self]

    @property
    def open(self) -> bool:
        """Whether someone still has to act: true for all but resolved and closed."""
        return ROWS[self].open


class StatusRow(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the product knows about one status.

    `rank` alone decides the order in which statuses are displayed. `bit` is the bit of the status in `issues.statuses`
    and in the counters: databases store it, so it must never change, and a new status takes the next free bit. `symbol`
    is the id of the drawing in `templates/web/sprite.html`. `cell` is the CSS class of a cell of the matrix; it is one
    letter because a page has thousands of them. `key` is the key that sets the status. `light` and `dark` are the
    colours of the drawing in the two themes.
    """

    status: Status
    label: str
    open: bool
    rank: int
    bit: int
    symbol: str
    cell: str
    key: str
    light: str
    dark: str


_ROWS = (
    StatusRow(
        status=Status.NEW,
        label="New",
        open=True,
        rank=1,
        bit=1 << 0,
        symbol="circle-empty",
        cell="n",
        key="1",
        light="#b3261e",
        dark="#ff8f84",
    ),
    StatusRow(
        status=Status.INVESTIGATING,
        label="Investigating",
        open=True,
        rank=2,
        bit=1 << 1,
        symbol="circle-quarter",
        cell="i",
        key="2",
        light="#a14a00",
        dark="#f0a860",
    ),
    StatusRow(
        status=Status.IN_PROGRESS,
        label="In progress",
        open=True,
        rank=3,
        bit=1 << 2,
        symbol="circle-half",
        cell="p",
        key="3",
        light="#6b46c1",
        dark="#b9a2f7",
    ),
    StatusRow(
        status=Status.MONITORING,
        label="Monitoring",
        open=True,
        rank=4,
        bit=1 << 3,
        symbol="circle-three-quarters",
        cell="m",
        key="4",
        light="#0b6e77",
        dark="#5fc7cf",
    ),
    StatusRow(
        status=Status.RESOLVED,
        label="Resolved",
        open=False,
        rank=5,
        bit=1 << 4,
        symbol="check",
        cell="r",
        key="5",
        light="#2a7536",
        dark="#7fcb8a",
    ),
    StatusRow(
        status=Status.CLOSED,
        label="Closed",
        open=False,
        rank=6,
        bit=1 << 5,
        symbol="square",
        cell="c",
        key="6",
        light="#5f646a",
        dark="#9aa0a6",
    ),
)

ROWS = {row.status: row for row in sorted(_ROWS, key=lambda row: row.rank)}
"""The table by status, in the order of display. Every mapping and tuple below has this order too."""

RANKED = tuple(ROWS)
"""All statuses in the order of display. Use it instead of iterating over `Status`."""

LABELS = {status: row.label for status, row in ROWS.items()}

OPEN = tuple(status for status, row in ROWS.items() if row.open)

FINISHED = tuple(status for status, row in ROWS.items() if not row.open)

STATUSES = {status.value: status for status in ROWS}
"""Statuses by their stored value. A look-up here costs less than calling `Status`."""

BITS = {status: row.bit for status, row in ROWS.items()}

CHOICES = ", ".join(ROWS)
"""The accepted values, for error messages."""


def mask(statuses: Iterable[Status]) -> int:
    """Returns the set of statuses as one number, the union of their bits: the form in which databases store it."""
    found = 0
    for status in statuses:
        found |= BITS[status]
    return found
