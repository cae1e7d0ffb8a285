"""The live stream: one reader of the log serves every listener of this process.

A listener first catches up from the table to the reader's position, and then receives what the reader dispatches; there
is no gap and no repetition between the two, because both happen on the event loop. Each listener has a bounded queue: a
listener that does not keep up is disconnected with a clean end, and can resume with `Last-Event-ID`.

Many listeners must not delay other requests: the reader dispatches at most every 50 ms, listeners of one audience share
one bytes object, only a few of them are woken in each iteration of the event loop, and one timer serves all.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.actor import ALL_COMPANIES, HELPDESK, CompanyAccess, Permissions, Role
from issue_tracker.database.commit_topics import CommitTopic
from issue_tracker.database.engine import Database
from issue_tracker.errors import Unavailable
from issue_tracker.events.commit_notifications import CommitNotifier
from issue_tracker.events.listener import Listener, check_interval
from issue_tracker.events.order import before_first_gap
from issue_tracker.events.queries.log import get_last_event_id, list_event_ids, list_events
from issue_tracker.events.reader import Audience, EncodedEvent, EventBatch, LogReader, encode_event

log = structlog.get_logger("issue_tracker.events")

T = TypeVar("T")

CheckCredentials = Callable[[Collection[Any]], Mapping[Any, Permissions]]
"""Returns the permissions of those credentials that are still valid."""

CHECK_SECONDS = 2.0
START_SECONDS = 4.0
CATCH_UP_BATCH = 500

WOKEN_TOGETHER = 25
"""Number of listeners woken in one iteration of the event loop: sending to them takes less than a millisecond."""

OPENING = b": connected\n\n"


class Stream:
    """All listeners of this process. Everything runs on the event loop, except for short reads in threads."""

    def __init__(self, database: Database, check_credentials: CheckCredentials) -> None:
        self._database = database
        self._check_credentials = check_credentials
        self._listeners: set[Listener] = set()
        # Replaced as a whole, because the reader's thread reads them.
        self._limited: frozenset[CompanyAccess] = frozenset()
        self._held: frozenset[Any] = frozenset()
        self._applied = 0
        self._position = 0
        self._to_wake: deque[Listener] = deque()
        self._closed = False

    async def start(self) -> None:
        """Starts the background tasks. Call it when the event loop runs."""
        self._loop = asyncio.get_running_loop()
        self._started = asyncio.Event()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="stream")
        self._reader: LogReader | None = None
        self._notifier = None if self._database.sqlite else CommitNotifier(self._database)
        if self._notifier is not None:
            self._database.on_commit(CommitTopic.EVENTS, self._notifier.notify)
        self._tasks = [
            asyncio.create_task(self._check_credentials_regularly()),
            asyncio.create_task(self._check_times()),
        ]

    async def stop(self) -> None:
        """Ends all streams, tasks and threads."""
        self.close()
        for task in self._tasks:
            task.cancel()
        for worker in (self._notifier, self._reader):
            if worker is not None:
                await self._loop.run_in_executor(None, worker.close)
        self._threads.shutdown(wait=True)

    def close(self) -> None:
        """Ends every stream, and every new one immediately, because the server is about to stop."""
        self._closed = True
        for listener in self._listeners:
            listener.end()

    async def listen(self, listener: Listener, after: int | None) -> AsyncGenerator[bytes, None]:
        """Yields what is sent to the listener: everything after event `after`, or, if None, from now on.

        Ends with the listener. Raises Unavailable before the first piece if the log cannot be read.
        """
        self._listeners.add(listener)
        self._note_accesses()
        try:
            await self._ensure_reader()
            await self._place(listener, after)
            yield OPENING
            while not (self._closed or listener.ended):
                if not listener.live and not listener.has_queued:
                    if listener.after < self._position:
                        yield await self._catch_up(listener)
                        continue
                    listener.live = True
                text = await listener.next()
                if text is None:
                    break
                yield text
        finally:
            self._listeners.discard(listener)
            self._note_accesses()

    def _note_accesses(self) -> None:
        """Updates the limited company accesses and the credentials for the reader, after a listener or its permissions
        have changed.
        """
        accesses = {listener.audience.access for listener in self._listeners}
        self._limited = frozenset(access for access in accesses if not access.all)
        self._held = frozenset(listener.credential for listener in self._listeners)

    async def _ensure_reader(self) -> None:
        """Starts the reader with the first listener, and waits until its position is known. Raises Unavailable."""
        if self._reader is None:
            reader = LogReader(
                self._database,
                lambda: self._limited,
                self._on_loop(self._begin),
                self._check_before_dispatch,
                self._on_loop(self._dispatch),
            )
            reader.start()  # if the system refuses another thread, the next listener tries again
            self._reader = reader
            self._database.on_commit(CommitTopic.EVENTS, reader.notify)
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._started.wait()
        except TimeoutError:
            raise Unavailable from None

    async def _place(self, listener: Listener, after: int | None) -> None:
        """Sets the listener's starting position; an id above all events is not valid, so it starts from now on."""

        def read_beyond(position: int) -> tuple[int, list[int]]:
            with self._database.read() as tx:
                return get_last_event_id(tx, ALL_COMPANIES), list_event_ids(tx, ALL_COMPANIES, after=position)

        position = self._position
        last, ids = await self._in_thread(lambda: read_beyond(position))
        if after is not None and after <= max(last, position):
            listener.after = after
        elif self._database.sqlite:
            listener.after = max(last, position)
        else:
            # Events visible beyond a gap existed before the listener; events that may fill the gap did not.
            listener.after = before_first_gap(position, ids)
            listener.skip = frozenset(number for number in ids if number > listener.after)

    async def _catch_up(self, listener: Listener) -> bytes:
        """Returns the next piece between the listener's position and the reader's, and advances the listener."""
        start, until, audience = listener.after, self._position, listener.audience

        def read() -> list[EncodedEvent]:
            with self._database.read() as tx:
                found = list_events(
                    tx, audience.access, after=start, until=until, audit=audience.audit, limit=CATCH_UP_BATCH
                )
            return [encode_event(event) for event in found]

        found = await self._in_thread(read)
        text = listener.select(found)
        listener.after = found[-1].event_id if len(found) == CATCH_UP_BATCH else until
        return text

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._threads, act)

    def _on_loop(self, act: Callable[..., None]) -> Callable[..., None]:
        """Wraps `act`, so that another thread can call it and the event loop runs it."""

        def post(*arguments: object) -> None:
            if not self._closed:
                self._loop.call_soon_threadsafe(act, *arguments)

        return post

    def _begin(self, position: int) -> None:
        self._position = position
        self._started.set()

    def _dispatch(self, batch: EventBatch) -> None:
        """Queues a batch for every live listener, as one shared bytes object per audience.

        When it returns, all of them are past the batch, so that a new listener neither misses it nor receives it twice;
        they are woken later.
        """
        shared: dict[Audience, bytes] = {}
        live = [listener for listener in self._listeners if listener.live]
        for listener in live:
            audience = listener.audience
            text = shared.get(audience)
            if text is None:
                if not batch.covers(audience.access):
                    # The batch was read before this listener was added.
                    listener.leave_live(self._position)
                    continue
                text = shared[audience] = b"".join(event.text for event in batch.visible_to(audience))
            if listener.after <= self._position and not listener.skip:
                listener.put(text)
            else:
                listener.put(listener.select(batch.visible_to(audience)))
                if listener.skip and batch.position >= max(listener.skip):
                    listener.skip = frozenset()
        self._position = batch.position
        self._wake(live)

    def _wake(self, listeners: Iterable[Listener]) -> None:
        """Wakes listeners, a few in each iteration of the event loop, so that it serves other requests in between."""
        waking = bool(self._to_wake)
        self._to_wake.extend(listeners)
        if not waking:
            self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(min(WOKEN_TOGETHER, len(self._to_wake))):
            self._to_wake.popleft().wake()
        if self._to_wake:
            self._loop.call_soon(self._wake_some)

    async def _check_times(self) -> None:
        """Sends heartbeats, and aborts clients that do not read."""
        while True:
            await asyncio.sleep(check_interval())
            now = self._loop.time()
            self._wake([listener for listener in self._listeners if listener.check(now)])

    async def _check_credentials_regularly(self) -> None:
        """Ends streams whose session or token has ended, and applies changed permissions, with one read for all."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            held, applied = self._held, self._applied
            if not held:
                continue
            try:
                alive = await self._loop.run_in_executor(self._threads, self._check_credentials, held)
            except (Unavailable, SQLAlchemyError) as error:
                log.warning("credentials not checked", reason=type(error).__name__)
                continue
            except Exception:  # otherwise no stream would end with its credential any more
                log.exception("credentials not checked")
                continue
            if applied == self._applied:  # otherwise this result may be older than the one that was applied meanwhile
                self._apply_all(held, alive)

    def _check_before_dispatch(self) -> None:
        """Makes the event loop apply the present permissions before it dispatches the batch that may have changed them,
        so that nobody receives events that were recorded after their permissions ended. Runs in the reader's thread.
        """
        held = self._held
        if held:
            self._on_loop(self._apply_all)(held, self._check_credentials(held))

    def _apply_all(self, held: Collection[Any], alive: Mapping[Any, Permissions]) -> None:
        self._applied += 1
        for listener in self._listeners:
            if listener.credential in held:
                self._apply(listener, alive.get(listener.credential))
        self._note_accesses()

    @staticmethod
    def _apply(listener: Listener, permissions: Permissions | None) -> None:
        """Applies a listener's present permissions; ends its stream if they are no longer sufficient."""
        if permissions is None or permissions.role not in HELPDESK:
            listener.end()
            return
        audit = permissions.role is Role.SUPER_ADMIN
        listener.audience = Audience(audit=audit, access=permissions.company_access)
