"""An answer that goes on: Server-Sent Events over HTTP, on the event loop, without a worker thread."""

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import aclosing
from types import FrameType
from typing import Any

import structlog
from litestar.types import Receive, Scope, Send

from issue_tracker.errors import AppError
from issue_tracker.events.stream import Listener, Stream
from issue_tracker.web.answer import Answer
from issue_tracker.web.call import Call
from issue_tracker.web.errors import error_answer

log = structlog.get_logger("issue_tracker.events")

SEND_SECONDS = 30.0
"""How long one piece may wait for a client that does not read, before the connection is given up."""


class LiveAnswer(Answer):
    """What a listener is sent, until it leaves or its stream ends."""

    __slots__ = ("_after", "_call", "_events", "_listener")

    def __init__(self, events: Stream, listener: Listener, after: int | None, call: Call) -> None:
        # A proxy must neither keep the answer nor wait for its end.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(media_type="text/event-stream", headers=headers)
        self._events = events
        self._listener = listener
        self._after = after
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._call.method == "HEAD":
            await super().__call__(scope, receive, send)
            return
        leaving = asyncio.create_task(self._end_with_client(receive))
        try:
            async with aclosing(self._events.listen(self._listener, self._after)) as pieces:
                try:
                    opening = await anext(pieces)
                except AppError as error:
                    await error_answer(error, self._call)(scope, receive, send)
                    return
                headers = [(name.lower().encode(), value.encode()) for name, value in self.headers]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await _send(send, opening)
                try:
                    async for piece in pieces:
                        await _send(send, piece)
                except AppError as error:
                    # A clean end: the client comes back, and goes on after what it got.
                    log.info("listener let go", reason=error.detail, request_id=self._call.request_id)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.info("listener given up", reason="did not read", request_id=self._call.request_id)
        finally:
            leaving.cancel()

    async def _end_with_client(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._listener.end()


async def _send(send: Send, piece: bytes) -> None:
    if piece:
        async with asyncio.timeout(SEND_SECONDS):
            await send({"type": "http.response.body", "body": piece, "more_body": True})


def before_shutdown(act: Callable[[], None]) -> None:
    """Has `act` called on the event loop as soon as the process is told to stop.

    Servers wait for open answers before they end the application's lifespan, and these answers end only when told.
    To be called on the event loop. Does nothing outside of the main thread, where no signal arrives.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()

    def chain(number: signal.Signals) -> None:
        previous: Any = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(act)
            if callable(previous):
                previous(received, frame)

        signal.signal(number, handle)

    chain(signal.SIGINT)
    chain(signal.SIGTERM)
