"""The worker threads and the queue in front of them: overload is refused, not queued.

A queue without a limit makes every response late, including those whose clients have given up. Therefore a request that
finds a full queue, or has waited too long, is refused (503), and a request whose client disconnects is dropped.

The longest permitted wait depends on the load. In a burst, a request may wait for `queue_seconds`. While the queue is
not empty, the limit shrinks, down to a quarter, so that in a lasting overload the requests that are served are served
quickly; while the queue is empty, the limit grows again. This follows controlled delay (B. Maurer, "Fail at Scale", ACM
Queue 13(8), 2015).
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

import structlog
from starlette.types import Receive

from issue_tracker.errors import AppError, Overloaded, Unavailable
from issue_tracker.server.metrics import LoadMetrics
from issue_tracker.struct_types import prepare_structs

log = structlog.get_logger("issue_tracker.server")

T = TypeVar("T")

RESPONSE_SECONDS = 35.0
"""Timeout of a response (503): every statement has ended by then, unless the database server hangs in the middle."""

LEAST_SHARE = 0.25
"""The fraction of `queue_seconds` that a request may always wait."""

THREADS_FOR_READING = 4
"""One in this number of threads never runs a change: writers that wait for each other must not make readers wait."""

CHECK_SECONDS = 1.0
"""Interval of the check for jobs that take too long. A timer for each job would cost more than a short request."""

UNWATCHED_SECONDS = 0.25
"""How long a request may wait before its connection is watched. Most wait for much less, and a task for each of them
would cost more than the wait."""

PROVIDER_THREADS = 4
"""Number of requests that may wait for an identity provider at the same time."""

PROBES = 16
"""Number of probe requests that may wait for their thread."""


class ClientLeft(AppError):
    """The client closed the connection before its request was started. Only the log ever shows this status."""

    status = 499
    title = "Client Closed Request"


class _Job:
    __slots__ = ("act", "arguments", "changes", "receive", "result", "since", "watcher")

    def __init__(
        self, act: Callable[..., Any], arguments: tuple[Any, ...], receive: Receive | None = None, *, changes: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        self.act = act
        self.arguments = arguments
        self.receive = receive
        self.watcher: asyncio.Task[None] | None = None
        self.changes = changes
        self.result: asyncio.Future[Any] = loop.create_future()
        self.since = loop.time()


class Workers:
    """A pool of `threads` threads and its queue. Use it on the event loop only."""

    def __init__(
        self, name: str, threads: int, metrics: LoadMetrics, *, queue_length: int, queue_seconds: float
    ) -> None:
        prepare_structs()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._number = threads
        self._free = threads
        self._free_for_changes = threads - threads // THREADS_FOR_READING
        self._queue_length = queue_length
        self._queue_seconds = queue_seconds
        self._name = name
        metrics.note_waiting(name, 0)
        self._metrics = metrics
        self._continuing: deque[_Job] = deque()
        self._reading: deque[_Job] = deque()
        self._changing: deque[_Job] = deque()
        self._limit_then = queue_seconds
        self._waiting = False
        self._changed_at = 0.0
        self._checking = False
        self._unanswered: dict[_Job, None] = {}
        """The jobs without a result, the oldest first."""
        self._limiting = False

    def require_room(self) -> None:
        """Raises Overloaded for a request that would have to wait too long, so that its body need not be read.

        That is the case if the queue is full, or if its first request has already waited for half of the limit.
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
        """Returns the result of `act(*arguments)`, called in a worker thread.

        `receive` reveals when the client disconnects. `changes` says that `act` writes to the database. Raises
        Overloaded if the wait for a thread is too long, ClientLeft, Unavailable if `act` takes too long, and whatever
        `act` raises.
        """
        self.require_room()
        job = _Job(act, arguments, receive, changes=changes)
        if self._may_begin(job):
            self._begin(job)
        else:
            self._enqueue(job)
        try:
            return await self._result(job, act)
        finally:
            if job.watcher is not None:
                job.watcher.cancel()

    async def resume(self, act: Callable[[], T]) -> T:
        """Returns the result of `act`, which continues a started response: ahead of all others, and never refused."""
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
        if len(self._threads) <= self._number - self._free:
            self._start_thread()
        self._free -= 1
        self._free_for_changes -= job.changes
        self._jobs.put(job)

    def _start_thread(self) -> None:
        """Starts another thread; if the system refuses it, the jobs wait for the threads that have started.

        Raises RuntimeError if there are none.
        """
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=_work, args=(self._jobs, self._finish), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as refused:
            log.warning("a worker thread cannot be started", threads=len(self._threads), reason=str(refused))
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

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
        """Dequeues the next job: one that continues a response, or else the oldest."""
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
        """Removes the requests at the head of each queue that waited too long, or whose clients disconnected."""
        begun_after = now - self._limit(now)
        for queue in (self._reading, self._changing):
            while queue and (queue[0].result.done() or queue[0].since < begun_after):
                job = queue.popleft()
                if not job.result.done():
                    self._metrics.refused("queue_age")
                    job.result.set_exception(Overloaded())

    def _limit(self, now: float) -> float:
        """Returns how long a request may wait at present, in seconds."""
        passed = now - self._changed_at
        limit = self._limit_then - passed if self._waiting else self._limit_then + passed
        return min(max(limit, self._queue_seconds * LEAST_SHARE), self._queue_seconds)

    def _note_state(self, now: float) -> None:
        """Records the number of waiting requests, for the metrics and for the limit."""
        count = len(self._reading) + len(self._changing)
        self._metrics.note_waiting(self._name, count)
        waiting = count > 0
        if waiting is not self._waiting:
            self._limit_then = self._limit(now)
            self._waiting, self._changed_at = waiting, now

    def _check_later(self) -> None:
        self._checking = True
        asyncio.get_running_loop().call_later(
            min(self._queue_seconds * LEAST_SHARE / 2, UNWATCHED_SECONDS), self._check
        )

    def _check(self) -> None:
        self._checking = False
        now = asyncio.get_running_loop().time()
        self._refuse_old(now)
        self._note_state(now)
        for job in (*self._reading, *self._changing):
            if job.watcher is None and job.receive is not None:
                job.watcher = asyncio.create_task(self._note_departure(job, job.receive))
        if self._waiting:
            self._check_later()

    async def _note_departure(self, job: _Job, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not job.result.done():
            self._metrics.refused("client_left")
            job.result.set_exception(ClientLeft("The client has left."))


def _work(jobs: SimpleQueue[_Job | None], finish: Callable[[_Job, Any, BaseException | None], None]) -> None:
    """Runs jobs until it dequeues None: the body of a worker thread.

    ThreadPoolExecutor would create a future with a lock for each job, which the event loop does not need.
    """
    while (job := jobs.get()) is not None:
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = job.act(*job.arguments), None
        except BaseException as raised:  # raised again on the event loop
            outcome = None, raised
        with suppress(RuntimeError):  # the event loop is closed, and no task waits for the result
            job.result.get_loop().call_soon_threadsafe(finish, job, *outcome)
        del job, outcome  # so that an idle thread keeps no references
