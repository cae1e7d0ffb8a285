"""The live stream: one reader of the log feeds every listener of this process.

A listener first catches up from the table to where the reader is, then goes on with what the reader tells; between
the two there is no gap and no repeat, because both happen on the event loop. Each has a queue of bounded size: who
does not keep up is let go with a clean end, and resumes by `Last-Event-ID` when it can.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.actor import Role
from issue_tracker.database.engine import Database, News
from issue_tracker.database.tables import events
from issue_tracker.errors import Unavailable
from issue_tracker.events.order import before_first_gap
from issue_tracker.events.queries import last_event_id
from issue_tracker.events.reader import LogReader, Told, told
from issue_tracker.events.waking import Notifier

log = structlog.get_logger("issue_tracker.events")

T = TypeVar("T")

Roles = Callable[[Collection[Any]], Mapping[Any, Role]]
"""Which of these credentials are alive, and in which role."""

HEARTBEAT_SECONDS = 15.0
CHECK_SECONDS = 2.0
START_SECONDS = 4.0
CATCH_UP_BATCH = 500
QUEUE_BYTES = 1024 * 1024

HEARTBEAT = b": heartbeat\n\n"
OPENING = b": connected\n\n"


class Listener:
    """One open stream. `after` and `skip` say what it has, or must not get, of what the reader tells."""

    __slots__ = ("_news", "_queue", "_size", "after", "audit", "credential", "ended", "live", "skip")

    def __init__(self, credential: Hashable, *, audit: bool) -> None:
        self.credential = credential
        self.audit = audit
        self.after = 0
        self.skip: frozenset[int] = frozenset()
        self.live = False
        self.ended = False
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._news = asyncio.Event()

    def wants(self, event: Told) -> bool:
        return event.event_id > self.after and event.event_id not in self.skip and (self.audit or not event.audit)

    def put(self, text: bytes) -> None:
        """Queues what is to be sent; ends the stream when too much of it waits."""
        if not text or self.ended:
            return
        if self._size + len(text) > QUEUE_BYTES:
            self.end()
            return
        self._queue.append(text)
        self._size += len(text)
        self._news.set()

    def end(self) -> None:
        """Lets the stream end after what is being sent."""
        self.ended = True
        self._queue.clear()
        self._news.set()

    async def next(self) -> bytes | None:
        """What is to be sent next: events, or after a while a heartbeat; None at the end."""
        if not self._queue and not self.ended:
            self._news.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                return HEARTBEAT
        if self.ended:
            return None
        text = b"".join(self._queue)
        self._queue.clear()
        self._size = 0
        return text


class Stream:
    """All listeners of this process. Everything here runs on the event loop, but for short reads in threads."""

    def __init__(self, database: Database, roles: Roles) -> None:
        self._database = database
        self._roles = roles
        self._listeners: set[Listener] = set()
        self._position = 0
        self._closed = False

    async def start(self) -> None:
        """To be called when the event loop runs."""
        self._loop = asyncio.get_running_loop()
        self._started = asyncio.Event()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="stream")
        self._reader: LogReader | None = None
        self._notifier = None if self._database.sqlite else Notifier(self._database)
        if self._notifier is not None:
            self._database.after[News.EVENTS].append(self._notifier.wake)
        self._checking = asyncio.create_task(self._check())

    async def stop(self) -> None:
        """Ends everything."""
        self.close()
        self._checking.cancel()
        for worker in (self._notifier, self._reader):
            if worker is not None:
                await self._loop.run_in_executor(None, worker.close)
        self._threads.shutdown(wait=True)

    def close(self) -> None:
        """Ends every stream, and from now on each new one at once: the server is about to stop."""
        self._closed = True
        for listener in self._listeners:
            listener.end()

    async def listen(self, listener: Listener, after: int | None) -> AsyncGenerator[bytes, None]:
        """What the listener is sent: everything after event `after`, or (None) from now on. Ends with the listener.

        Raises Unavailable before the first piece when the log cannot be read.
        """
        self._listeners.add(listener)
        try:
            await self._reading()
            await self._place(listener, after)
            yield OPENING
            while not (self._closed or listener.ended):
                if listener.after >= self._position:
                    listener.live = True
                    break
                yield await self._catch_up(listener)
            while not self._closed and (text := await listener.next()) is not None:
                yield text
        finally:
            self._listeners.discard(listener)

    async def _reading(self) -> None:
        """Starts the reader with the first listener, and waits until it knows where it is."""
        if self._reader is None:
            self._reader = LogReader(self._database, self._post(self._begin), self._post(self._tell))
            if self._database.sqlite:
                self._database.after[News.EVENTS].append(self._reader.news.set)
            self._reader.start()
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._started.wait()
        except TimeoutError:
            raise Unavailable from None

    async def _place(self, listener: Listener, after: int | None) -> None:
        """Sets where the listener starts. A number beyond all events is no position: it starts from now on."""

        def beyond(position: int) -> tuple[int, list[int]]:
            query = select(events.c.event_id).where(events.c.event_id > position).order_by(events.c.event_id)
            with self._database.read() as tx:
                return last_event_id(tx), list(tx.execute(query).scalars())

        position = self._position
        last, ids = await self._in_thread(lambda: beyond(position))
        if after is not None and after <= max(last, position):
            listener.after = after
        elif self._database.sqlite:
            listener.after = max(last, position)
        else:
            # What is visible beyond a gap is not news; what may still fill the gap is.
            listener.after = before_first_gap(position, ids)
            listener.skip = frozenset(number for number in ids if number > listener.after)

    async def _catch_up(self, listener: Listener) -> bytes:
        """The next piece of what the listener has not got and the reader is past. Moves the listener on."""
        start, until = listener.after, self._position

        def read() -> list[Told]:
            query = select(events).where(events.c.event_id > start, events.c.event_id <= until)
            if not listener.audit:
                query = query.where(events.c.audit.is_(False))
            with self._database.read() as tx:
                rows = tx.execute(query.order_by(events.c.event_id).limit(CATCH_UP_BATCH))
                return [told(row) for row in rows]

        found = await self._in_thread(read)
        text = b"".join(event.text for event in found if listener.wants(event))
        listener.after = found[-1].event_id if len(found) == CATCH_UP_BATCH else until
        return text

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._threads, act)

    def _post(self, act: Callable[..., None]) -> Callable[..., None]:
        """`act`, to be called from another thread and run on the event loop."""

        def post(*arguments: object) -> None:
            if not self._closed:
                self._loop.call_soon_threadsafe(act, *arguments)

        return post

    def _begin(self, position: int) -> None:
        self._position = position
        self._started.set()

    def _tell(self, batch: Sequence[Told], position: int) -> None:
        """Hands what the reader read to every listener that is live; the same bytes to all who may see the same."""
        everything = b"".join(event.text for event in batch)
        public = b"".join(event.text for event in batch if not event.audit)
        for listener in self._listeners:
            if not listener.live:
                continue
            if listener.after <= self._position and not listener.skip:
                listener.put(everything if listener.audit else public)
            else:
                listener.put(b"".join(event.text for event in batch if listener.wants(event)))
                if listener.skip and position >= max(listener.skip):
                    listener.skip = frozenset()
        self._position = position

    async def _check(self) -> None:
        """Ends the streams whose session or token has ended, and follows changed roles; for all listeners at once."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            held = {listener.credential for listener in self._listeners}
            if not held:
                continue
            try:
                roles = await self._loop.run_in_executor(self._threads, self._roles, held)
            except (Unavailable, SQLAlchemyError) as error:
                log.warning("credentials not checked", reason=type(error).__name__)
                continue
            for listener in self._listeners:
                role = roles.get(listener.credential)
                if listener.credential in held:
                    listener.audit = role is Role.SUPER_ADMIN
                    if role not in (Role.TECHNICIAN, Role.SUPER_ADMIN):
                        listener.end()
