"""Responses whose head is rendered once and sent many times, such as cached ones.

uvicorn checks and writes each header of each response, which takes longer than everything else about a cached response
with the security headers. Therefore `HttpProtocol` offers an extension (ASGI, extensions) with which an application
sends a rendered head and the body at once.
"""

from collections.abc import Iterable

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

EXTENSION = "issue_tracker.rendered_head"
"""The key in `scope["extensions"]`: its `cycle` is a reference to the object with which uvicorn sends the response."""


def render_head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Returns a status line and headers as they are sent; nothing if uvicorn refuses one of the headers."""
    lines = [STATUS_LINE[status]]
    for name, value in headers:
        if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
            return b""
        lines += name.lower(), b": ", value, b"\r\n"
    return b"".join(lines)


def send_rendered(scope: Scope, head: bytes | None, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
    """Sends a complete response. `head` is from `render_head`, and contains the length of the body; `headers` are valid
    and follow it.

    Returns False, and sends nothing, if the response must be sent as ASGI messages: without a head, on another server,
    on a connection that is closing or congested, and for HEAD.
    """
    offered = scope.get("extensions", {}).get(EXTENSION)
    if offered is None or not head or scope["method"] == "HEAD":
        return False
    cycle: RequestResponseCycle | None = offered["cycle"]()
    if cycle is None or not cycle.keep_alive or cycle.disconnected or cycle.flow.write_paused:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    lines = [head]
    for name, value in (*headers, *cycle.default_headers):
        lines += name, b": ", value, b"\r\n"
    lines.append(b"\r\n")
    cycle.transport.write(b"".join(lines))
    if body:
        cycle.transport.write(body)
    cycle.message_event.set()
    cycle.on_response()
    return True
