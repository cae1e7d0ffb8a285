"""Logs: structlog, as lines of JSON, or in a readable form on a terminal. No secret is ever passed to a logger."""

import asyncio
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TextIO, cast

import msgspec
import structlog

from issue_tracker.settings import Settings

FLUSH_AFTER_SECONDS = 0.2

FLUSH_AFTER_LINES = 64
"""Few enough to stay in the processor's cache until they are written."""


class _Line(msgspec.Struct, gc=False):
    """A line of the access log, with the same common fields and format as every other line."""

    method: str
    path: str
    status: int
    milliseconds: float
    request_id: str
    user_id: int | None
    address: str
    timestamp: datetime
    event: str = "request"
    level: str = "info"


class _Output:
    """Standard error. What cannot be written, because the disk is full or the reader has ended, is lost: a log must not
    fail a request, or end a thread.
    """

    def __init__(self) -> None:
        self._stream = sys.stderr

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class AccessLog:
    """Writes one line for each request. Lines are written in batches, because a system call for each one would cost
    more than a short response.

    If the process is killed, the lines of the last fifth of a second are lost; a clean shutdown writes them.
    """

    def __init__(self, settings: Settings) -> None:
        self.wanted = settings.log_level in ("debug", "info")
        self._console_log = structlog.get_logger("issue_tracker.access") if _console(settings) else None
        self._lines: list[_Line] = []
        self._encoder = msgspec.json.Encoder()

    def note(
        self,
        method: str,
        path: str,
        status: int,
        milliseconds: float,
        request_id: str,
        user_id: int | None,
        address: str,
    ) -> None:
        """Logs a request whose response was sent; `address` is the client's IP address. Call it on the event loop."""
        if self._console_log is not None:
            self._console_log.info(
                "request",
                method=method,
                path=path,
                status=status,
                milliseconds=milliseconds,
                request_id=request_id,
                user_id=user_id,
                address=address,
            )
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_AFTER_SECONDS, self.flush)
        at = datetime.now(UTC)
        self._lines.append(_Line(method, path, status, milliseconds, request_id, user_id, address, at))
        if len(self._lines) >= FLUSH_AFTER_LINES:
            self.flush()

    def flush(self) -> None:
        """Writes the buffered lines."""
        lines, self._lines = self._lines, []
        if lines:
            out = _Output()
            out.write(self._encoder.encode_lines(lines).decode())
            out.flush()


def _console(settings: Settings) -> bool:
    return settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())


def configure_logs(settings: Settings) -> None:
    """Sends everything at or above the level in the settings to stderr, if it can be written."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if _console(settings):
        # Plain tracebacks: formatted ones print the values of local variables, including passwords.
        rendering: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        rendering = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Output())),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _Library) for handler in root.handlers):
        root.addHandler(_Library(logging.WARNING))


class _Library(logging.Handler):
    """Writes what libraries log, such as uvicorn and asyncio, in the form of all other lines."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write = structlog.get_logger(record.name).log
            write(record.levelno, record.getMessage().strip(), logger=record.name, exc_info=record.exc_info)
        except Exception:  # as in every handler of the standard library: logging must not fail the program
            self.handleError(record)


def silence_logs() -> None:
    """Disables logs for commands, which report a failure as one sentence on stderr instead."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
