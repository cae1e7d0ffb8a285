"""Errors as responses: one JSON shape for every source (contract, section 2), or RFC 9457 on request."""

from asyncio import CancelledError
from errno import EMFILE, ENFILE
from typing import Any

import msgspec
import structlog
from starlette.responses import Response

from issue_tracker.errors import AppError, Cause, Overloaded, Unavailable
from issue_tracker.http.request import Request
from issue_tracker.http.responses import JSON, PROBLEM

log = structlog.get_logger("issue_tracker.http")


class Unexpected(AppError):
    """An unexpected failure. The log contains its traceback with the request id."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"Something went wrong on our side. Quote the request id {request_id} when you report it.")


def error_response(request: Request, error: AppError) -> Response:
    """Returns the error as JSON, or as problem+json if the client accepts that."""
    content: dict[str, Any] = {"detail": error.detail}
    if error.reason_code:
        content["reason"] = error.reason_code
    if error.fields:
        content["errors"] = error.fields
    content |= error.more
    media_type = JSON
    if PROBLEM in request.accepted_types():
        media_type = PROBLEM
        content = {"type": "about:blank", "title": error.title, "status": error.status} | content
    headers = {"Cache-Control": "no-store", **error.headers}
    return Response(msgspec.json.encode(content), error.status, headers, media_type)


def as_app_error(exception: Exception | CancelledError, request_id: str) -> AppError:
    """Returns any exception as an error that is safe to show; logs the traceback of an unexpected one."""
    if isinstance(exception, AppError):
        return exception
    if isinstance(exception, CancelledError):  # requests are cancelled only by a server that has waited to stop
        return Overloaded("The server is stopping. Try again shortly.")
    if isinstance(exception, RuntimeError) and str(exception) == "can't start new thread":
        log.error("no thread can be started", request_id=request_id)
        return Overloaded()
    if isinstance(exception, OSError) and exception.errno in (EMFILE, ENFILE):
        # Any code may need a file descriptor, even the import of a module on first use.
        log.error("no file descriptors left", request_id=request_id, reason=str(exception))
        return Unavailable(cause=Cause.DESCRIPTORS, reason=str(exception))
    log.error("unexpected failure", request_id=request_id, exc_info=exception)
    return Unexpected(request_id)
