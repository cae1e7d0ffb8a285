"""The client's protocol logic without any I/O ("sans-I/O"): requests, replies, and the steps of a plan.

A plan is a generator that yields steps and is sent their results. Plans hold all the logic of the client (signing
in, retrying, paging, following the stream) and never block or await. `Tracker` performs the steps by blocking,
`AsyncTracker` by awaiting, so the logic is written once.
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
    """One request, complete except for what the session adds (credentials, CSRF token, user agent).

    `path` is already percent-encoded, `method` is in capitals. `once` marks a request that must not be repeated
    when a response may have been lost, because the second response would be misleading: after a rename the old
    name is gone, after a conditional change the ETag has changed. `harmless` marks one that changes nothing that others
    see, and may be repeated: signing in, and confirming a password. `timeout` is the timeout of this attempt in
    seconds, None for the session's; `read_timeout` replaces it for reading: the longest silence on a stream.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    once: bool = False
    signing_in: bool = False
    harmless: bool = False
    timeout: float | None = None
    read_timeout: float | None = None

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again although the first attempt may have succeeded.

        True for a GET, a PUT, and a POST with an Idempotency-Key. False for a DELETE: the second one might delete
        something that was created in between, and its 404 would not say who deleted the first.
        """
        known = self.method in SAFE or self.method == "PUT" or (self.method == "POST" and self.keyed)
        return self.harmless or (known and not self.once)

    @property
    def keyed(self) -> bool:
        return "idempotency-key" in self.headers

    @property
    def changing(self) -> bool:
        """Whether it changes data that others see."""
        return self.method not in SAFE and not self.harmless

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


@dataclass(frozen=True)
class Reply:
    """A server's response. For a 200 to a streamed request `stream` is set and `content` is empty."""

    status: int
    headers: httpx.Headers
    content: bytes = b""
    stream: object = None

    @property
    def retry_after(self) -> float | None:
        """The seconds to wait according to `Retry-After` (RFC 9110, 10.2.3), None without a usable one.

        A date is compared with the response's own Date, or with this machine's clock if there is none.
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
    """Returns the instant of an HTTP date, None for any other text."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Failure:
    """There was no response. `sent` says whether the request may have reached the server, and so may have succeeded."""

    reason: str
    sent: bool


Outcome = Reply | Failure


@dataclass(frozen=True)
class Send:
    """Send the request; the result is an Outcome. With `streamed`, the content of a 200 is left to be Read."""

    request: Request
    streamed: bool = False


@dataclass(frozen=True)
class Read:
    """Read a streamed reply; the result is its next bytes, None at its end, or the Failure that ended it."""

    stream: object


@dataclass(frozen=True)
class Close:
    """Close a streamed reply."""

    stream: object


@dataclass(frozen=True)
class Pause:
    """Wait for `seconds`."""

    seconds: float


@dataclass(frozen=True)
class Now:
    """Read the clock; the result is the seconds of a monotonic clock."""


@dataclass(frozen=True)
class Exclusive:
    """Perform this plan while no other thread or task of the same client performs an exclusive one."""

    plan: "Plan[None]"


Step = Send | Read | Close | Pause | Now | Exclusive
Plan = Generator[Step, Any, T]


@dataclass(frozen=True)
class Done(Generic[T]):
    """The end of a plan, with its result."""

    value: T


def advance(plan: Plan[T], result: object) -> Step | Done[T]:
    """Sends a plan the result of its last step (None at the start). Returns its next step, or its end."""
    try:
        return plan.send(result)
    except StopIteration as end:
        return Done(end.value)
