"""Pure ASGI middleware around every request, each class with one job. None of it reads the session.

`create_app` lists the classes in order. Their `send` functions return the awaitable of the next one instead of awaiting
it: a coroutine per message and middleware would cost as much as sending a cached response.
"""

import itertools
import re
import secrets
import time
from collections.abc import Awaitable
from urllib.parse import quote_from_bytes, unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from issue_tracker.http.response_cache import ResponseCache
from issue_tracker.logs import AccessLog
from issue_tracker.server.rendered_heads import send_rendered
from issue_tracker.server.security_headers import SecurityHeaders
from issue_tracker.settings import Settings

SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")

RECEIVERS = "/alerts/in/"
"""What precedes the secret of a receiver of alerts in a path, even in a wrong path, which belongs to no route."""

SLASHES = re.compile(rb"//+")

NO_SUCH_SEGMENT = b"/%00"
"""A segment that matches no name, because names have no control characters."""

MOST_SEGMENTS = 20
"""Maximum number of segments of a path that are read. No route is that deep, and thousands of segments would cost more
time than an unauthenticated request should."""


class RequestIds:
    """Gives each request an id in `scope["state"]`: the client's if well-formed, so that a trace can span systems."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        # Ids cannot be guessed, and a random number for each request would cost a system call.
        self._prefix = secrets.token_hex(8)
        self._count = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # The state is the request's own copy of the lifespan state (ASGI, lifespan state).
            scope.setdefault("state", {})["request_id"] = self._request_id(scope)
        await self.app(scope, receive, send)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and SANE_REQUEST_ID.fullmatch(value):
                return str(value, "ascii")
        return f"{self._prefix}{next(self._count):016x}"


class AccessLogging:
    """Writes a line for each request to the access log."""

    def __init__(self, app: ASGIApp, log: AccessLog) -> None:
        self.app = app
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.log.wanted:
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        try:
            await self.app(scope, receive, send)
        finally:
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            state, client = scope["state"], scope.get("client")
            request_id, user_id, address = state["request_id"], state.get("user_id"), client[0] if client else ""
            path = scope["path"]
            if (place := path.lower().find(RECEIVERS)) >= 0:
                path = f"{path[:place]}{RECEIVERS}{{receiver}}/{{secret}}"
            self.log.note(scope["method"], path, state.get("status", 0), milliseconds, request_id, user_id, address)


class CachedResponses:
    """Sends the cached response, if one exists, without passing the request on."""

    def __init__(self, app: ASGIApp, cache: ResponseCache) -> None:
        self.app = app
        self.cache = cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cached = self.cache.find(scope) if scope["type"] == "http" else None
        if cached is None:
            await self.app(scope, receive, send)
            return
        state = scope["state"]
        scope["path"], scope["path_template"] = cached.path, cached.path_template
        state["user_id"], state["status"] = cached.user_id, cached.status
        request_id = (b"x-request-id", state["request_id"].encode())
        if not send_rendered(scope, cached.head, [request_id], cached.body):
            headers = [*cached.headers, request_id]
            await send({"type": "http.response.start", "status": cached.status, "headers": headers})
            await send({"type": "http.response.body", "body": cached.body, "more_body": False})


class ResponseHeaders:
    """Adds the request id and the security headers to each response, and notes its status in `scope["state"]`."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.security = SecurityHeaders(settings)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self.app(scope, receive, send)
        state = scope["state"]
        request_id = (b"x-request-id", state["request_id"].encode())

        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                state["status"] = status = message["status"]
                message["headers"] = [*self.security.added_to(status, message["headers"]), request_id]
            return send(message)

        return self.app(scope, receive, send_with_headers)


class CanonicalPaths:
    """Gives each request its canonical path, without a trailing slash (contract, section 1)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            path = canonical_path(scope.get("raw_path") or scope["path"].encode())
            scope["path"] = path[:-1] if path.endswith("/") and path != "/" else path
        return self.app(scope, receive, send)


def canonical_path(raw_path: bytes) -> str:
    """Returns the path as it was sent, with each segment percent-encoded in one way.

    Routing works on this form, so that an encoded slash stays inside its segment and every valid name is reachable
    (docs/decisions/0003-names-in-paths.md). `Request.path_segment` decodes it.
    """
    if raw_path.count(b"/") > MOST_SEGMENTS:
        raw_path = b"/".join(raw_path.split(b"/", MOST_SEGMENTS)[:MOST_SEGMENTS]) + NO_SUCH_SEGMENT
    # An empty segment becomes one that matches no name, because routing would merge the slashes: `/api/issues//x` is
    # not `/api/issues/x`, and nothing exists at that path.
    if b"//" in raw_path:
        raw_path = SLASHES.sub(NO_SUCH_SEGMENT + b"/", raw_path)
    if b"%" not in raw_path:
        return quote_from_bytes(raw_path, safe="/!$&'()*+,;=:@~")
    return "/".join(
        quote_from_bytes(unquote_to_bytes(segment), safe="!$&'()*+,;=:@~") for segment in raw_path.split(b"/")
    )
