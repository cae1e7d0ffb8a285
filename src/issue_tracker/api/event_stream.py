"""A response that stays open: Server-Sent Events over HTTP, sent from the event loop without a worker thread."""

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import aclosing
from types import FrameType
from typing import Any

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from issue_tracker.errors import AppError, Overloaded, TooManyStreams
from issue_tracker.events.listener import SEND_SECONDS, Listener
from issue_tracker.http.errors import as_app_error, error_response
from issue_tracker.http.request import Request
from issue_tracker.http.responses import EVENT_STREAM

log = structlog.get_logger("issue_tracker.events")


class EventStreamResponse(Response):
    """Sends events to a listener until the client disconnects or its stream ends."""

    def __init__(self, request: Request, listener: Listener, after: int | None) -> None:
        # Proxies must neither store the response nor buffer it.
        headers = {"Content-Type": EVENT_STREAM, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._request = request
        self._listener = listener
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await super().__call__(scope, receive, send)
            return
        try:
            with self._request.app_state.open_streams.opened(self._request.user_id):
                await self._stream(scope, receive, send)
        except (TooManyStreams, Overloaded) as error:
            await error_response(self._request, error)(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(self._end_with_client(receive))
        stream, request_id = self._request.app_state.stream, self._request.request_id
        try:
            async with (
                asyncio.timeout(None) as timeout,
                aclosing(stream.listen(self._listener, self._after)) as pieces,
            ):
                self._listener.abort = lambda: timeout.reschedule(0)
                try:
                    opening = await anext(pieces)
                except Exception as failed:  # the client gets a safe response, and the log gets the details
                    error = as_app_error(failed, request_id)
                    await error_response(self._request, error)(scope, receive, send)
                    return
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._send(send, opening)
                try:
                    async for piece in pieces:
                        await self._send(send, piece)
                except AppError as error:
                    # A clean end: the client reconnects, and continues after the last event that it received.
                    log.info("listener disconnected", reason=error.detail, request_id=request_id)
                timeout.reschedule(asyncio.get_running_loop().time() + SEND_SECONDS)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.info("listener disconnected", reason="it did not read", request_id=request_id)
        finally:
            leaving.cancel()

    async def _end_with_client(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._listener.end()

    async def _send(self, send: Send, piece: bytes) -> None:
        if piece:
            self._listener.sending(asyncio.get_running_loop().time())
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            self._listener.sent()


def before_shutdown(act: Callable[[], None]) -> None:
    """Calls `act` on the event loop as soon as the process receives a signal to stop.

    Servers wait for open responses before they end the application's lifespan, and event streams end only when the
    application ends them. Call this on the event loop. Outside the main thread, which receives the signals, it does
    nothing.
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
