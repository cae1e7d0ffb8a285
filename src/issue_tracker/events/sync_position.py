"""The position of a synchronizing client (contract, section 5): what a response showed, and so what changed since then.

A time cannot serve as the position: it is taken before the commit, so a change may become visible later than another
one with a later time. An event has an id, and a watermark says which ids a response showed (docs/decisions/0019).
"""

import base64
from itertools import chain

import msgspec
from sqlalchemy import Connection

from issue_tracker.events.order import WINDOW, Watermark
from issue_tracker.events.queries.log import LogState, find_mark
from issue_tracker.integers import LARGEST_ID

LONGEST = 100
"""Maximum number of runs of ids beyond the watermark in a position. Changes left out are merely listed once more."""


class PositionError(ValueError):
    """A text is not a position, or one in another history. The message continues the field's name, and says which."""


class _Packed(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """`beyond` contains pairs: the distance of a run of ids from the end of the previous run, and its length."""

    history: str
    settled: int
    beyond: list[tuple[int, int]]
    last: int
    mark: str


def write_position(history: str, watermark: Watermark, state: LogState) -> str:
    """Returns the position of a response that shows this state of the log with this watermark, as an opaque text."""
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
    """Returns the watermark of the response that had this position in this history. Raises PositionError."""
    try:
        padded = text + "=" * (-len(text) % 4)
        packed = msgspec.msgpack.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Packed)
    except (ValueError, msgspec.MsgspecError):
        raise PositionError("is not a position; take it from the header X-Sync-Position") from None
    if packed.history != history or not 0 <= packed.last <= LARGEST_ID or find_mark(tx, packed.last) != packed.mark:
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
