"""HTTP/1.1 on one connection: uvicorn's protocol, with limits on the size and the slowness of requests.

uvicorn and httptools accept any number and size of headers, and wait for them indefinitely. This subclass counts bytes
as they arrive; twice a second, `connections.py` checks for clients that are too slow. The protocol has no timer of its
own, not even for idle connections, so that a request costs no more than in uvicorn.
"""

import asyncio
import secrets
import weakref
from typing import Any

import httptools
import msgspec
import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from issue_tracker.server.connections import Connections
from issue_tracker.server.rendered_heads import EXTENSION

HEADERS = 100
"""Maximum number of headers, or of trailers, of one request."""

SHORT_PATH, LONGEST_PATH = 1024, 7 * 1024
"""Maximum lengths, in bytes, of a path that uvicorn decodes, too, and of one that is decoded at all. The longest name
takes 6,885, percent-encoded: 255 syllables of Korean, decomposed into three letters each. No route has a longer path,
and decoding all of it would cost more time than an unauthenticated request should."""

PIPELINED = 8
"""Maximum number of requests that a client may send before the response to an earlier one is complete."""

LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
"""The time and the number of bytes for which a refused connection is still read: closing a connection with unread bytes
would destroy the response in transit."""

IPV4_MAPPED = "::ffff:"
"""The beginning of the address of a client that uses IPv4, on a socket for IPv6 that also accepts IPv4."""

NOTHING, HEAD, BODY = range(3)
"""The part of a request that is being received."""

NOW = -1.0
"""Placeholder for the time at which a part began, until the bytes that arrived together with it are parsed."""

INVALID = (400, "The request is not valid HTTP.")
TOO_LARGE = (431, "The headers of the request are too large.")
TOO_SLOW = (408, "The request took too long to arrive.")
TOO_MANY = (503, "The server has too many open connections. Try again shortly.")


class _Stop(Exception):
    """Stops the parser from within one of its callbacks."""


class HttpProtocol(HttpToolsProtocol):
    """One connection. The lifespan state contains the `Connections` in which it is counted."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.connections_of_process: Connections = app_state["connections"]
        self.group: str | None = None
        self._settings = self.connections_of_process.settings
        self._head_limit = self._settings.header_bytes
        self._receiving = NOTHING
        self._since = self.loop.time()
        self._fed = 0
        self._body_came = False
        self._refusal = INVALID
        self._discarding = False
        self._discarded = 0
        self._blocked_since: float | None = None
        self._end_by: float | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # Otherwise a trusted proxy would not be recognized by its IPv4 address.
        if self.client and ":" not in (address := self.client[0].removeprefix(IPV4_MAPPED)):
            self.client = address, self.client[1]
        self.group = self.connections_of_process.group_of(self.client[0] if self.client else None)
        if not self.connections_of_process.admit(self):
            self._refuse(TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.connections_of_process.remove(self)

    # Receiving.

    def data_received(self, data: bytes) -> None:
        limit = self._head_limit
        if len(data) <= limit:
            self._feed(data)
            return
        for start in range(0, len(data), limit):
            self._feed(data[start : start + limit])

    def _feed(self, data: bytes) -> None:
        """Parses a piece of at most the maximum size of a request's head."""
        if self._discarding:
            self._discard(len(data))
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(self._refusal)
            return
        except httptools.HttpParserUpgrade:
            return  # the request is handled without the upgrade
        finally:
            if self._since == NOW:
                self._since = self.loop.time()
        if self._receiving:
            self._count(len(data))

    def _count(self, size: int) -> None:
        """Refuses a head or trailers that are too large, after `size` more bytes without an end of the request."""
        if self._receiving == HEAD:
            # The piece in which a head begins may contain other bytes before it.
            self._fed = self._fed + size if self._fed else self._parsed_bytes() or 1
        elif self._body_came:
            self._fed, self._body_came = 0, False
        else:
            self._fed += size
        if self._fed > self._head_limit or len(self.headers) > HEADERS or self._parsed_bytes() > self._head_limit:
            self.connections_of_process.metrics.refused("headers")
            self._refuse(TOO_LARGE)

    def _parsed_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._receiving, self._since, self._fed = HEAD, NOW, 0

    def on_headers_complete(self) -> None:
        if len(self.headers) > HEADERS or (self._fed and self._parsed_bytes() > self._head_limit):
            self.connections_of_process.metrics.refused("headers")
            self._refusal = TOO_LARGE
            raise _Stop
        if len(self.pipeline) >= PIPELINED:
            self.connections_of_process.metrics.refused("pipelined")
            raise _Stop
        path, mark, query = self.url.partition(b"?")
        if len(path) > LONGEST_PATH:
            path = path[:LONGEST_PATH] + b"/%00"  # a segment that matches no name
        # uvicorn would decode a long path, which the application decodes in its own way (http/middleware.py).
        withheld = len(path) > SHORT_PATH and path.startswith(b"/")
        self.url = (b"/" if withheld else path) + mark + query
        super().on_headers_complete()
        if withheld:
            self.scope["raw_path"] = path
        self._receiving, self._since, self._fed = BODY, NOW, 0
        self.headers = []  # from now on for trailers, which the application does not receive

    def on_body(self, body: bytes) -> None:
        self._body_came = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._receiving = NOTHING
        if self.cycle.response_complete:
            self._since = self.loop.time()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # Otherwise the garbage collector would have to free each request: the cycle refers to the scope.
        cycle.scope["extensions"] = {EXTENSION: {"cycle": weakref.ref(cycle)}}
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Starts the next pipelined request, as in uvicorn, but without a timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif not self._receiving:
            self._since = self.loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._blocked_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._blocked_since = None

    # Checks, made twice a second, or when there is no room for a new connection.

    @property
    def _idle(self) -> bool:
        """Whether every request has its complete response."""
        return self.cycle is None or (self.cycle.response_complete and not self.pipeline)

    @property
    def _owes_earlier_response(self) -> bool:
        """Whether another response must be sent before the one to the request that is being received."""
        return bool(self.pipeline) or (self._receiving != BODY and not self._idle)

    def waits_since(self) -> float | None:
        if self._discarding or self.transport.is_closing():
            return None
        if self._blocked_since is not None:
            return self._blocked_since
        if self._receiving and not (self._owes_earlier_response or self.flow.read_paused):
            return self._since
        return self._since if self._idle else None

    def check(self, now: float) -> None:
        settings, metrics = self._settings, self.connections_of_process.metrics
        if self.transport.is_closing() or self._end_by is not None:
            # The client may never read the remaining output.
            self._end_by = self._end_by or now + settings.response_seconds
            if now > self._end_by:
                self.transport.abort()
        elif self._blocked_since is not None:
            if now - self._blocked_since > settings.response_seconds:
                metrics.refused("slow_reader")
                self.transport.abort()
        elif self._receiving and (self._owes_earlier_response or self.flow.read_paused):
            self._since = now  # the client waits for the server
        elif self._receiving == HEAD and now - self._since > settings.header_seconds:
            metrics.refused("slow_headers")
            self._refuse(TOO_SLOW)
        elif self._receiving == BODY and now - self._since > settings.body_seconds:
            metrics.refused("slow_body")
            self._refuse(TOO_SLOW)
        elif self._receiving == NOTHING and self._idle:
            limit = settings.header_seconds if self.cycle is None else settings.keep_alive_seconds
            if now - self._since > limit:
                self.transport.close()

    def close_waiting(self) -> None:
        if self._blocked_since is None and self._receiving != BODY:
            self.transport.close()
        else:
            self.transport.abort()

    # Refusals.

    def _refuse(self, refusal: tuple[int, str]) -> None:
        """Sends an error with this status as the last response, and discards all further input."""
        self._discarding = True
        if self._owes_earlier_response:
            # No response to the refused request: the client could take it for the response to an earlier request.
            newest = self.pipeline[0][0] if self.pipeline else self.cycle
            newest.keep_alive = False
            return
        if not self._idle:
            if self.cycle.response_started:
                self.transport.abort()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif self._receiving == BODY:
            self.transport.close()  # the response was already sent
            return
        self.transport.write(_response(*refusal))
        if self.connections_of_process.may_linger(self):
            self._end_by = self.loop.time() + LINGER_SECONDS
            self.flow.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            if self._owes_earlier_response or not self._idle:
                self.flow.pause_reading()
            else:
                self.transport.abort()


def _response(status: int, detail: str) -> bytes:
    """Returns a complete response, after which the connection closes, in the form of every other error."""
    body = msgspec.json.encode({"detail": detail})
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Request-ID": secrets.token_hex(16),
        "Connection": "close",
    }
    if status == 503:
        headers["Retry-After"] = "2"
    return STATUS_LINE[status] + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n" + body
