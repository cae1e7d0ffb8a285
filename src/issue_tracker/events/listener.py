"""One listener of the live stream, and the queue of what will be sent to it."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence

from issue_tracker.actor import CompanyAccess
from issue_tracker.events.reader import Audience, EncodedEvent

HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 30.0
"""How long one piece may wait for a client that does not read, before the connection is closed."""

QUEUE_BYTES = 1024 * 1024

HEARTBEAT = b": heartbeat\n\n"


def check_interval() -> float:
    """Returns the interval, in seconds, of the check of all listeners. A heartbeat may be this much early, never
    late.
    """
    return HEARTBEAT_SECONDS / 15


class Listener:
    """One open stream, to which only events above the id `after`, and none of `skip`, are sent.

    While it is `live`, it receives what the reader of the log dispatches; otherwise it catches up from the table.
    `abort` closes the connection of a client that does not read.
    """

    __slots__ = (
        "_queue",
        "_sending",
        "_sent_at",
        "_size",
        "_waiting",
        "abort",
        "after",
        "audience",
        "credential",
        "ended",
        "live",
        "skip",
    )

    def __init__(self, credential: Hashable, *, audit: bool, access: CompanyAccess) -> None:
        self.credential = credential
        self.audience = Audience(audit=audit, access=access)
        self.after = 0
        self.skip: frozenset[int] = frozenset()
        self.live = False
        self.ended = False
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._waiting: asyncio.Future[None] | None = None
        self.abort: Callable[[], None] | None = None
        self._sending = False
        self._sent_at = 0.0

    @property
    def has_queued(self) -> bool:
        return bool(self._queue)

    def select(self, events: Sequence[EncodedEvent]) -> bytes:
        """Returns the text to be sent for events that the listener's audience may see."""
        return b"".join(
            event.text for event in events if event.event_id > self.after and event.event_id not in self.skip
        )

    def put(self, text: bytes) -> None:
        """Queues a text, to be sent once the listener is woken; ends the stream if the queue is too large."""
        if not text or self.ended:
            return
        if self._size + len(text) > QUEUE_BYTES:
            self.end()
            return
        self._queue.append(text)
        self._size += len(text)

    def wake(self) -> None:
        """Makes `next` return."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def leave_live(self, position: int) -> None:
        """Makes the listener read everything after `position` from the table; everything up to it was queued."""
        self.live = False
        self.after = max(self.after, position)

    def end(self) -> None:
        """Ends the stream after the piece that is being sent."""
        self.ended = True
        self._queue.clear()
        self.wake()

    async def next(self) -> bytes | None:
        """Returns what to send next; None at the end. Empty if the listener is no longer live."""
        if not self._queue and not self.ended:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        if self.ended:
            return None
        # Usually one piece, which is the same bytes object for all listeners of the audience.
        text = self._queue.popleft() if len(self._queue) == 1 else b"".join(self._queue)
        self._queue.clear()
        self._size = 0
        return text

    def sending(self, now: float) -> None:
        """Records that a piece is passed to the connection. `now` is the time of the event loop, in seconds."""
        self._sending, self._sent_at = True, now

    def sent(self) -> None:
        """Records that the connection has accepted the piece."""
        self._sending = False

    def check(self, now: float) -> bool:
        """Aborts a client that does not read, or queues a heartbeat, if it is time. Returns whether to wake it."""
        quiet = now - self._sent_at
        if self._sending:
            if quiet >= SEND_SECONDS and self.abort is not None:
                self.abort()
                self.abort = None
        elif self.live and not self._queue and quiet + check_interval() > HEARTBEAT_SECONDS:
            self.put(HEARTBEAT)
            return True
        return False
