"""Requests that hash a password: they run separately from all others, a few at a time.

Queued requests occupy no thread, so that a flood of sign-ins leaves the worker threads to other requests. Refusals are
delayed, because a client that is refused at once would only send more requests.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.responses import Response

from issue_tracker.auth import hashing
from issue_tracker.errors import AppError, TooBusy, Unavailable
from issue_tracker.server.workers import RESPONSE_SECONDS
from issue_tracker.settings import Settings

REFUSAL_SECONDS = 0.5
"""The delay of a refusal (429, 503), in seconds."""


class PasswordRequests:
    """The threads for requests that hash a password, and their queue. Call `run` on the event loop."""

    def __init__(self, settings: Settings) -> None:
        self._threads = max(1, hashing.THREADS // settings.workers)
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="password-request")
        self._queue = settings.password_queue
        self._present = 0

    async def run(self, respond: Callable[[], Response], *, anonymous: bool) -> Response:
        """Calls `respond` in one of the threads when it is the request's turn, and returns its response.

        Raises TooBusy if the queue is full, Unavailable if the response takes too long, and whatever `respond` raises.
        The queue is twice as long for signed-in users, so that anonymous requests cannot shut them out.
        """
        try:
            response = await self._in_turn(respond, self._queue if anonymous else 2 * self._queue)
        except AppError as refused:
            await _delay_refusal(refused.status)
            raise
        await _delay_refusal(response.status_code)
        return response

    async def _in_turn(self, respond: Callable[[], Response], queue: int) -> Response:
        if self._present >= self._threads + queue:
            raise TooBusy
        self._present += 1
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._executor, respond)
        except TimeoutError:
            raise Unavailable from None
        finally:
            self._present -= 1

    def close(self) -> None:
        """Waits for the requests that are running."""
        self._executor.shutdown(wait=True)


async def _delay_refusal(status: int) -> None:
    if status in (429, 503):
        await asyncio.sleep(REFUSAL_SECONDS)
