"""What becomes of a request to another system.

The modules that connect are imported where they are called: many servers never connect to another system, and httpcore
takes a megabyte of each process.
"""

import msgspec


class Unreachable(Exception):
    """There was no complete response. The message is the reason, for the log."""


class Received(msgspec.Struct, frozen=True):
    """A complete response. `etag` and `last_modified` are its validators (RFC 9110, 8.8), for the next request."""

    code: int
    body: bytes
    etag: str | None = None
    last_modified: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an attempt: `code` and the beginning of the response in `answer`, or `error`.

    `timed_out` says that the time limit was reached, before or during the response.
    """

    milliseconds: int
    code: int | None = None
    answer: str = ""
    retry_after: str | None = None
    error: str | None = None
    timed_out: bool = False
