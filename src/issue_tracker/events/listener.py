"""One listener of the live stream, and the queue of what it is to be sent."""

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
    """How many seconds pass between two checks of all listeners. A heartbeat comes by so much early, never late."""
    return HEARTBEAT_SECONDS / 15


class Listener:
    """One open stream. It is sent nothing up to the event `after`, and none of `skip`.

    While it is `live`, it is sent what the reader of the log dispatches; otherwise it catches up from the table.
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
        """What is to be sent of events that its audience may see."""
        return b"".join(
            event.text for event in events if event.event_id > self.after and event.event_id not in self.skip
        )

    def put(self, text: bytes) -> None:
        """Queues what is to be sent once the listener is woken; ends the stream when too much of it waits."""
        if not text or self.ended:
            return
        if self._size + len(text) > QUEUE_BYTES:
            self.end()
            return
        self._queue.append(text)
        self._size += len(text)

    def wake(self) -> None:
        """Lets `next` return."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def leave_live(self, position: int) -> None:
        """Sends it back to the table for everything after `position`, up to which all was queued."""
        self.live = False
        self.after = max(self.after, position)

    def end(self) -> None:
        """Lets the stream end after what is being sent."""
        self.ended = True
        self._queue.clear()
        self.wake()

    async def next(self) -> bytes | None:
        """What is to be sent next; None at the end. Empty when the listener has left live."""
        if not self._queue and not self.ended:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        if self.ended:
            return None
        # Mostly one piece, the same bytes object for all listeners of the audience.
        text = self._queue.popleft() if len(self._queue) == 1 else b"".join(self._queue)
        self._queue.clear()
        self._size = 0
        return text

    def sending(self, now: float) -> None:
        """Notes that a piece is handed to the connection. `now` is in seconds of the event loop."""
        self._sending, self._sent_at = True, now

    def sent(self) -> None:
        """Notes that the connection has taken the piece."""
        self._sending = False

    def check(self, now: float) -> bool:
        """Gives up a client that does not read, or queues a heartbeat, when it is time. Whether it is to be woken."""
        quiet = now - self._sent_at
        if self._sending:
            if quiet >= SEND_SECONDS and self.abort is not None:
                self.abort()
                self.abort = None
        elif self.live and not self._queue and quiet + check_interval() > HEARTBEAT_SECONDS:
            self.put(HEARTBEAT)
            return True
        return False
