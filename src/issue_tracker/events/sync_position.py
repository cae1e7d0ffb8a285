"""The position of a synchronizing client (contract, section 5): what a response showed, and so what was changed since.

A time cannot be that position: it is taken before the commit, so a change may become visible later than another one
with a later time. An event has a number, and a watermark says which numbers a response showed (docs/decisions/0019).
"""

import base64
from itertools import chain

import msgspec
from sqlalchemy import Connection

from issue_tracker.events.order import WINDOW, Watermark
from issue_tracker.events.queries.log import LogState, find_mark

LONGEST = 100
"""How many runs of numbers beyond the watermark a position may have. What is left out is only listed once more."""


class PositionError(ValueError):
    """A text that is no position, or a position in another history. The message says which, after the field's name."""


class _Packed(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """`beyond` has pairs: the first number of a run, counted from the end of the one before it, and its length."""

    history: str
    settled: int
    beyond: list[tuple[int, int]]
    last: int
    mark: str


def write_position(history: str, watermark: Watermark, state: LogState) -> str:
    """The position of a response that shows the state of the log with this watermark, as an opaque text."""
    runs: list[tuple[int, int]] = []
    end = watermark.last_event_id
    for number in watermark.beyond:
        if runs and number == end + 1:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        elif len(runs) == LONGEST:
            break
        else:
            runs.append((number - end, 1))
        end = number
    packed = _Packed(history, watermark.last_event_id, runs, state.last_event_id, state.mark)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(packed)).decode().rstrip("=")


def read_position(tx: Connection, history: str, text: str) -> Watermark:
    """The watermark of the response that had this position in this history. Raises PositionError."""
    try:
        padded = text + "=" * (-len(text) % 4)
        packed = msgspec.msgpack.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Packed)
    except (ValueError, msgspec.MsgspecError):
        raise PositionError("is not a position; take it from the header X-Sync-Position") from None
    if packed.history != history or not 0 <= packed.last < 2**63 or find_mark(tx, packed.last) != packed.mark:
        raise PositionError(
            "is a position from before the database was restored or access changed; read the whole list again"
        )
    runs: list[range] = []
    end = packed.settled
    for gap, length in packed.beyond:
        runs.append(range(end + gap, end + gap + length))
        end += gap + length - 1
    within = 0 <= packed.settled <= end <= packed.last and sum(length for _, length in packed.beyond) <= WINDOW
    if not within or not all(gap > 0 and length > 0 for gap, length in packed.beyond):
        raise PositionError("is not a position; take it from the header X-Sync-Position")
    return Watermark(packed.settled, tuple(chain.from_iterable(runs)))
