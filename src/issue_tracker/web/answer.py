"""An HTTP answer, ready to send: bytes, or a stream of them. Litestar sends it as it is."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from litestar.types import Receive, Scope, Send

JSON = "application/json"


class Answer:
    """What a handler returns. `etag` is the bare validator of a GET, if the handler knows a cheap one.

    `stored_body` is what may be kept for a retry, where the body itself shows a secret this once. `kept_until` is how
    long the caller's credential is good for the same answer (web/kept.py).
    """

    __slots__ = ("_head", "body", "etag", "headers", "kept_until", "status", "stored_body", "stream")

    def __init__(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        media_type: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        etag: str | None = None,
        stream: AsyncIterator[bytes] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.stream = stream
        self.etag = etag
        self.stored_body: bytes | None = None
        self.kept_until: datetime | None = None
        self._head: list[tuple[bytes, bytes]] | None = None
        self.headers: list[tuple[str, str]] = list(headers.items() if isinstance(headers, Mapping) else headers)
        if media_type is not None:
            self.headers.append(("Content-Type", media_type))

    @classmethod
    def json(
        cls, content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, etag: str | None = None
    ) -> "Answer":
        """The content as JSON in UTF-8."""
        return cls(encode(content), status=status, media_type=JSON, headers=headers or (), etag=etag)

    @classmethod
    def items(cls, items: list[Any]) -> "Answer":
        """A list that is complete: `{"items": […], "total": n}` (contract, section 1)."""
        return cls.json({"items": items, "total": len(items)})

    @classmethod
    def none(cls) -> "Answer":
        """204."""
        return cls(status=204)

    def head(self) -> list[tuple[bytes, bytes]]:
        """The headers as they are sent."""
        if self._head is None:
            self._head = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
            if self.stream is None and self.status not in (204, 304):
                self._head.append((b"content-length", str(len(self.body)).encode()))
        return self._head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.head()})
        if self.stream is None:
            await send({"type": "http.response.body", "body": self.body, "more_body": False})
            return
        async for chunk in self.stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def encode(content: Any) -> bytes:
    """JSON in UTF-8. Instants are text already (`clock.iso`): msgspec would write `Z` for the offset."""
    return msgspec.json.encode(content)
