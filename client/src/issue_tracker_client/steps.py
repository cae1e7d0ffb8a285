"""What goes over the wire, without a socket: requests, replies, and the steps of a plan.

A plan is a generator that yields steps and is sent their results. It holds all the logic of the client
(signing in, retrying, paging, following the stream), and never blocks or awaits. `Tracker` carries the
steps out by blocking, `AsyncTracker` by awaiting: the logic exists once.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import httpx

T = TypeVar("T")
SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Request:
    """One request, complete but for what the session adds (credentials, CSRF token, user agent).

    `path` is percent-encoded already, `method` in capitals. `once` says that another attempt would mislead
    once an answer may have been lost: a rename (the old name is gone), a conditional change (the first
    attempt moved the ETag). `timeout` is the seconds for this attempt, the session's where it is None;
    `read_timeout`, the silence to bear on a stream, goes before it.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    once: bool = False
    signing_in: bool = False
    timeout: float | None = None
    read_timeout: float | None = None

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again although the first attempt may have been carried out: a GET, a PUT, a
        POST with an Idempotency-Key. Not a DELETE: what it would take away may be new, and a 404 would not
        tell who took it.
        """
        known = self.method in SAFE or self.method == "PUT" or (self.method == "POST" and self.keyed)
        return self.signing_in or (known and not self.once)

    @property
    def keyed(self) -> bool:
        return "idempotency-key" in self.headers

    @property
    def changing(self) -> bool:
        """Whether it changes what others see; signing in does not."""
        return self.method not in SAFE and not self.signing_in

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


@dataclass(frozen=True)
class Reply:
    """A server's answer. `stream` is set, and `content` empty, when a 200 was asked for as a stream."""

    status: int
    headers: httpx.Headers
    content: bytes = b""
    stream: object = None

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait by `Retry-After` (RFC 9110: seconds, or a date, read against this answer's own
        Date, or this machine's clock where it has none).
        """
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(value)
        until = http_date(value)
        if until is None:
            return None
        now = http_date(self.headers.get("date", "")) or datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())

    @property
    def media_type(self) -> str:
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()


def http_date(text: str) -> datetime | None:
    """The instant of an HTTP date, None for anything else."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Failure:
    """No answer. `sent` says whether the request may have reached the server, and so may have been carried
    out.
    """

    reason: str
    sent: bool


Outcome = Reply | Failure


@dataclass(frozen=True)
class Send:
    """Send and give the Outcome; with `streamed`, leave the content of a 200 to be Read."""

    request: Request
    streamed: bool = False


@dataclass(frozen=True)
class Read:
    """Give the next bytes of a streamed reply, None at its end, or the Failure that ended it."""

    stream: object


@dataclass(frozen=True)
class Close:
    """Give up a streamed reply."""

    stream: object


@dataclass(frozen=True)
class Pause:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Now:
    """Give the seconds of a clock that never goes back."""


@dataclass(frozen=True)
class Alone:
    """Carry out this plan while no other thread or task of the same client is inside such a step."""

    plan: "Plan[None]"


Step = Send | Read | Close | Pause | Now | Alone
Plan = Generator[Step, Any, T]


@dataclass(frozen=True)
class Done(Generic[T]):
    """A plan has come to its end, with this result."""

    value: T


def advance(plan: Plan[T], result: object) -> Step | Done[T]:
    """Give a plan the result of its last step (None at the start): its next step, or its end."""
    try:
        return plan.send(result)
    except StopIteration as end:
        return Done(end.value)
