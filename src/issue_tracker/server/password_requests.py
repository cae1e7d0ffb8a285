"""Requests that need a password hashed: they run apart from all others, a few at a time.

While they wait for their turn they take no thread, so that a flood of sign-ins leaves the worker threads to the other
requests. Those that are refused are answered a moment later, or whoever sends them would only send more.
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
"""How much later a refusal (429, 503) is answered."""


class PasswordRequests:
    """The threads for such requests, and the queue before them. `run` is to be called on the event loop."""

    def __init__(self, settings: Settings) -> None:
        self._threads = max(1, hashing.THREADS // settings.workers)
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="password-request")
        self._queue = settings.password_queue
        self._present = 0

    async def run(self, answer: Callable[[], Response], *, anonymous: bool) -> Response:
        """Returns the response of `answer` when it is the request's turn. Raises TooBusy, Unavailable when it
        takes too long, and what `answer` raises.

        The queue is twice as long for those who are signed in, so that strangers cannot keep them out of it.
        """
        try:
            response = await self._in_turn(answer, self._queue if anonymous else 2 * self._queue)
        except AppError as refused:
            await _hold_back(refused.status)
            raise
        await _hold_back(response.status_code)
        return response

    async def _in_turn(self, answer: Callable[[], Response], queue: int) -> Response:
        if self._present >= self._threads + queue:
            raise TooBusy
        self._present += 1
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._executor, answer)
        except TimeoutError:
            raise Unavailable from None
        finally:
            self._present -= 1

    def close(self) -> None:
        """Waits for the requests that have their turn."""
        self._executor.shutdown(wait=True)


async def _hold_back(status: int) -> None:
    if status in (429, 503):
        await asyncio.sleep(REFUSAL_SECONDS)
