"""The worker threads, and the requests that wait for one: overload is refused, not queued.

A queue that only grows makes every response late, also those that nobody waits for any more. So a request that finds
too many others before it, or has waited too long, is refused (503), and one whose client has left is not begun.

How long is too long depends on how it came to this. A burst may wait for `queue_seconds`. While the queue is not empty
that time shrinks, down to a quarter, so that in a lasting overload those who are served are served quickly; while the
queue is empty it grows again. The idea is that of controlled delay (B. Maurer, "Fail at Scale", ACM Queue 13(8), 2015).
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from starlette.types import Receive

from issue_tracker.errors import AppError, Overloaded, Unavailable
from issue_tracker.server.metrics import LoadMetrics

T = TypeVar("T")

RESPONSE_SECONDS = 35.0
"""When a request is answered with 503: every statement has ended by then, unless its server froze in the middle."""

LEAST_SHARE = 0.25
"""The part of `queue_seconds` that a request may always wait."""

THREADS_FOR_READING = 4
"""One thread of so many never takes a change: writers that wait for each other must not keep readers waiting."""

CHECK_SECONDS = 1.0
"""How often it is checked which requests have taken too long. A timer for each would cost more than a short request."""

PROVIDER_THREADS = 4
"""How many requests may wait for an identity provider at the same time."""

PROBES = 16
"""How many requests for probes may wait for their thread."""


class ClientLeft(AppError):
    """The client has closed the connection before its request was begun. Only the log ever shows this status."""

    status = 499
    title = "Client Closed Request"


class _Job:
    __slots__ = ("act", "arguments", "changes", "result", "since")

    def __init__(self, act: Callable[..., Any], arguments: tuple[Any, ...], *, changes: bool) -> None:
        loop = asyncio.get_running_loop()
        self.act = act
        self.arguments = arguments
        self.changes = changes
        self.result: asyncio.Future[Any] = loop.create_future()
        self.since = loop.time()


class Workers:
    """`threads` threads, and what waits for them. To be used on the event loop."""

    def __init__(
        self, name: str, threads: int, metrics: LoadMetrics, *, queue_length: int, queue_seconds: float
    ) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._number = threads
        self._free = threads
        self._free_for_changes = threads - threads // THREADS_FOR_READING
        self._queue_length = queue_length
        self._queue_seconds = queue_seconds
        self._name = name
        self._metrics = metrics
        self._continuing: deque[_Job] = deque()
        self._reading: deque[_Job] = deque()
        self._changing: deque[_Job] = deque()
        self._patience = queue_seconds
        self._waiting = False
        self._changed_at = 0.0
        self._checking = False
        self._unanswered: dict[_Job, None] = {}
        """The jobs without a result, the oldest first."""
        self._limiting = False

    def require_room(self) -> None:
        """Raises Overloaded for a request that would have to wait too long, so that its body need not be read.

        It would where the first of those that wait has already waited for half of what it may.
        """
        if not self._waiting:
            return
        now = asyncio.get_running_loop().time()
        waited = now - min(queue[0].since for queue in (self._reading, self._changing) if queue)
        length = len(self._reading) + len(self._changing)
        if length >= self._queue_length or waited > self._limit(now) / 2:
            self._metrics.refused("queue_full")
            raise Overloaded

    async def run(self, receive: Receive, act: Callable[..., T], *arguments: Any, changes: bool = False) -> T:
        """The result of `act(*arguments)`, called in a worker thread. `receive` tells when the client leaves.

        Raises Overloaded when the wait for a thread is too long, ClientLeft, Unavailable when `act` takes too long,
        and whatever `act` raises.
        """
        self.require_room()
        job = _Job(act, arguments, changes=changes)
        if self._may_begin(job):
            self._begin(job)
            return await self._result(job, act)
        self._enqueue(job)
        leaving = asyncio.create_task(self._note_departure(receive, job))
        try:
            return await self._result(job, act)
        finally:
            leaving.cancel()

    async def resume(self, act: Callable[[], T]) -> T:
        """The result of `act`, which continues a response that has begun: before all others, and never refused."""
        job = _Job(act, (), changes=False)
        if self._free:
            self._begin(job)
        else:
            self._continuing.append(job)
        return await self._result(job, act)

    def shutdown(self) -> None:
        """Waits until every thread has ended."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _may_begin(self, job: _Job) -> bool:
        return self._free > 0 and (not job.changes or self._free_for_changes > 0)

    def _enqueue(self, job: _Job) -> None:
        (self._changing if job.changes else self._reading).append(job)
        self._note_state(job.since)
        if not self._checking:
            self._check_later()

    def _begin(self, job: _Job) -> None:
        self._free -= 1
        self._free_for_changes -= job.changes
        if len(self._threads) < self._number - self._free:
            name = f"{self._name}_{len(self._threads)}"
            thread = threading.Thread(target=_work, args=(self._jobs, self._finish), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)

    async def _result(self, job: _Job, _act: Callable[..., T]) -> T:
        self._unanswered[job] = None
        if not self._limiting:
            self._limiting = True
            asyncio.get_running_loop().call_later(CHECK_SECONDS, self._limit_time)
        try:
            result: T = await job.result
            return result
        finally:
            del self._unanswered[job]

    def _limit_time(self) -> None:
        """Ends the wait for jobs that take too long."""
        loop = asyncio.get_running_loop()
        for job in self._unanswered:
            if job.since > loop.time() - RESPONSE_SECONDS:
                break
            if not job.result.done():
                job.result.set_exception(Unavailable())
        self._limiting = bool(self._unanswered)
        if self._limiting:
            loop.call_later(CHECK_SECONDS, self._limit_time)

    def _finish(self, job: _Job, result: Any, error: BaseException | None) -> None:
        self._free += 1
        self._free_for_changes += job.changes
        if not job.result.done():
            if error is None:
                job.result.set_result(result)
            else:
                job.result.set_exception(error)
        while self._free and (following := self._next()) is not None:
            self._begin(following)

    def _next(self) -> _Job | None:
        """The job to begin next, taken from its queue: of a response that has begun, or else the oldest."""
        while self._continuing:
            continuing = self._continuing.popleft()
            if not continuing.result.done():
                return continuing
        if not self._waiting:
            return None
        now = asyncio.get_running_loop().time()
        self._refuse_old(now)
        reading, changing = self._reading, self._changing if self._free_for_changes > 0 else None
        first = changing if changing and (not reading or changing[0].since < reading[0].since) else reading
        job = first.popleft() if first else None
        self._note_state(now)
        return job

    def _refuse_old(self, now: float) -> None:
        """Removes the requests before the first that may still wait, and those whose clients have left."""
        begun_after = now - self._limit(now)
        for queue in (self._reading, self._changing):
            while queue and (queue[0].result.done() or queue[0].since < begun_after):
                job = queue.popleft()
                if not job.result.done():
                    self._metrics.refused("queue_age")
                    job.result.set_exception(Overloaded())

    def _limit(self, now: float) -> float:
        """How long a request may wait at present, in seconds."""
        passed = now - self._changed_at
        patience = self._patience - passed if self._waiting else self._patience + passed
        return min(max(patience, self._queue_seconds * LEAST_SHARE), self._queue_seconds)

    def _note_state(self, now: float) -> None:
        """Notes how many requests wait."""
        count = len(self._reading) + len(self._changing)
        self._metrics.note_waiting(self._name, count)
        waiting = count > 0
        if waiting is not self._waiting:
            self._patience = self._limit(now)
            self._waiting, self._changed_at = waiting, now

    def _check_later(self) -> None:
        self._checking = True
        asyncio.get_running_loop().call_later(self._queue_seconds * LEAST_SHARE / 2, self._check)

    def _check(self) -> None:
        self._checking = False
        now = asyncio.get_running_loop().time()
        self._refuse_old(now)
        self._note_state(now)
        if self._waiting:
            self._check_later()

    async def _note_departure(self, receive: Receive, job: _Job) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not job.result.done():
            self._metrics.refused("client_left")
            job.result.set_exception(ClientLeft("The client has left."))


def _work(jobs: SimpleQueue[_Job | None], finish: Callable[[_Job, Any, BaseException | None], None]) -> None:
    """Runs jobs until there is None: the life of a worker thread.

    ThreadPoolExecutor would make a future with a lock for each job, which the event loop does not need.
    """
    while (job := jobs.get()) is not None:
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = job.act(*job.arguments), None
        except BaseException as raised:  # it is raised on the event loop
            outcome = None, raised
        with suppress(RuntimeError):  # the event loop is closed: nobody waits for the result
            job.result.get_loop().call_soon_threadsafe(finish, job, *outcome)
        del job, outcome  # a thread that waits holds nothing
