"""One listener of the live stream, and the queue of what it is to be sent."""

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence

from issue_tracker.actor import CompanyAccess
from issue_tracker.events.reader import Audience, EncodedEvent

HEARTBEAT_SECONDS = 15.0
QUEUE_BYTES = 1024 * 1024

HEARTBEAT = b": heartbeat\n\n"


class Listener:
    """One open stream. It is sent nothing up to the event `after`, and none of `skip`.

    While it is `live`, it is sent what the reader of the log dispatches; otherwise it catches up from the table.
    """

    __slots__ = ("_queue", "_ready", "_size", "after", "audience", "credential", "ended", "live", "skip")

    def __init__(self, credential: Hashable, *, audit: bool, access: CompanyAccess) -> None:
        self.credential = credential
        self.audience = Audience(audit=audit, access=access)
        self.after = 0
        self.skip: frozenset[int] = frozenset()
        self.live = False
        self.ended = False
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._ready = asyncio.Event()

    @property
    def has_queued(self) -> bool:
        return bool(self._queue)

    def select(self, events: Sequence[EncodedEvent]) -> bytes:
        """What is to be sent of events that its audience may see."""
        return b"".join(
            event.text for event in events if event.event_id > self.after and event.event_id not in self.skip
        )

    def put(self, text: bytes) -> None:
        """Queues what is to be sent; ends the stream when too much of it waits."""
        if not text or self.ended:
            return
        if self._size + len(text) > QUEUE_BYTES:
            self.end()
            return
        self._queue.append(text)
        self._size += len(text)
        self._ready.set()

    def leave_live(self, position: int) -> None:
        """Sends it back to the table for everything after `position`, up to which all was queued."""
        self.live = False
        self.after = max(self.after, position)
        self._ready.set()

    def end(self) -> None:
        """Lets the stream end after what is being sent."""
        self.ended = True
        self._queue.clear()
        self._ready.set()

    async def next(self) -> bytes | None:
        """What is to be sent next: events, or after a while a heartbeat; None at the end.

        Empty when the listener has left live.
        """
        if not self._queue and not self.ended:
            self._ready.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._ready.wait()
            except TimeoutError:
                return HEARTBEAT
        if self.ended:
            return None
        text = b"".join(self._queue)
        self._queue.clear()
        self._size = 0
        return text
