"""What goes over the wire, without a socket: requests, replies, and the steps of a plan.

A plan is a generator that yields steps and is sent their results. It holds all the logic of the client
(signing in, retrying, paging, following the stream), and never blocks or awaits. `Tracker` carries the
steps out by blocking, `AsyncTracker` by awaiting: the logic exists once.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import httpx

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One request, complete but for what the session adds (credentials, CSRF token, user agent).

    `path` is percent-encoded already. `repeatable` says that a second one changes nothing and gets the same
    answer, as the contract has it for GET, PUT, DELETE and for POST with an Idempotency-Key. Not so for a
    rename (the old name is gone) and a conditional change (the first one moved the ETag): once their answer
    may have been lost, another attempt would mislead.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    signing_in: bool = False
    read_timeout: float | None = None

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
        Date).
        """
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(value)
        try:
            wait = parsedate_to_datetime(value) - parsedate_to_datetime(self.headers.get("date", ""))
        except (TypeError, ValueError):
            return None
        return max(0.0, wait.total_seconds())


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
