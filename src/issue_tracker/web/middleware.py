"""What surrounds every request: its id, its line in the log, its headers, its path. Pure ASGI; reads no session."""

import itertools
import re
import secrets
import time
from collections.abc import Iterable
from urllib.parse import quote_from_bytes, unquote_to_bytes

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from issue_tracker.logs import AccessLog
from issue_tracker.settings import Settings
from issue_tracker.web.kept import KeptAnswers

SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")

_numbers = itertools.count()
_process = secrets.token_hex(8)
"""Request ids are this process's random number and a count: nobody has to guess them, and a new random number for each
would be a system call."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"
)


class Edge:
    """Gives each request an id, a canonical path and its line in the log, and each answer its security headers.

    A request that was answered before, while nothing was committed, gets its answer here (docs/decisions/0014).
    """

    def __init__(self, app: ASGIApp, settings: Settings, access_log: AccessLog, kept: KeptAnswers) -> None:
        self.app = app
        self.access_log = access_log
        self.kept = kept
        self.headers: list[tuple[bytes, bytes]] = [
            (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]
        if settings.https:
            self.headers.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope["headers"])
        known = self.kept.find(scope)
        if known is not None:
            answer = known.answer
            scope["path"], scope["path_template"] = known.path, known.route
            headers = self._headers(answer.status, answer.head(), request_id)
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body, "more_body": False})
            self._log(scope, answer.status, started, request_id)
            return
        # A lifespan state of the server's is shared by all requests; this one is the request's own.
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        scope["path"] = canonical_path(scope.get("raw_path") or scope["path"].encode())
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._headers(status, message["headers"], request_id)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            self._log(scope, status, started, request_id)

    def _headers(self, status: int, given: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
        # A 304 updates the answer that the caller has (RFC 9110, 15.4.5): its other headers stay as they are.
        own = () if status == 304 else self.headers
        return [*given, *own, (b"x-request-id", request_id.encode())]

    def _log(self, scope: HTTPScope, status: int, started: float, request_id: str) -> None:
        if self.access_log.wanted:
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            self.access_log.note(scope["method"], scope["path"], status, milliseconds, request_id)


def canonical_path(raw_path: bytes) -> str:
    """The path as it was sent, each segment percent-encoded in one way; an empty one is a segment that names nothing.

    Routing works on this form, so that an encoded slash stays inside its segment: every valid name is reachable
    (docs/decisions/0003-names-in-paths.md). Handlers decode the segment.
    """
    # Routing would join slashes: `/api/issues//x` is not `/api/issues/x`, and there is nothing at it.
    while b"//" in raw_path:
        raw_path = raw_path.replace(b"//", b"/%00/")
    if b"%" not in raw_path:
        return quote_from_bytes(raw_path, safe="/!$&'()*+,;=:@~")
    return "/".join(
        quote_from_bytes(unquote_to_bytes(segment), safe="!$&'()*+,;=:@~") for segment in raw_path.split(b"/")
    )


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's id if it is sane, so that a trace can span systems; else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and SANE_REQUEST_ID.fullmatch(value):
            return value.decode()
    return f"{_process}{next(_numbers):016x}"
