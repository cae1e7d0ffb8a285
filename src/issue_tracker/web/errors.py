"""Errors as answers: one JSON shape for every source (contract, section 2), or RFC 9457 on request."""

from typing import Any

import structlog
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from issue_tracker.errors import AppError, Invalid, MethodNotAllowed, NotFound
from issue_tracker.web.answer import Answer, encode
from issue_tracker.web.call import Call

log = structlog.get_logger("issue_tracker.web")

PROBLEM = "application/problem+json"


class Unexpected(AppError):
    """A failure that nobody foresaw: the trace is in the log, under the request id."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"Something went wrong on our side. Quote the request id {request_id} when you report it.")


def error_answer(error: AppError, call: Call) -> Answer:
    """The error as JSON, or as problem+json when the caller accepts that."""
    content: dict[str, Any] = {"detail": error.detail}
    if error.fields:
        content["errors"] = error.fields
    media_type = "application/json"
    if PROBLEM in call.accepted:
        media_type = PROBLEM
        content = {"type": "about:blank", "title": error.title, "status": error.status} | content
    headers = {"Cache-Control": "no-store", **error.headers}
    return Answer(encode(content), status=error.status, media_type=media_type, headers=headers)


def as_app_error(exception: Exception, request_id: str) -> AppError:
    """Any exception as an error that may be shown; what nobody foresaw goes to the log with its trace."""
    match exception:
        case AppError():
            return exception
        case NotFoundException():
            return NotFound("There is nothing at this path.")
        case MethodNotAllowedException():
            allowed = (exception.headers or {}).get("allow", "")
            methods = sorted(part.strip() for part in allowed.split(",") if part.strip() != "OPTIONS")
            return MethodNotAllowed(", ".join(methods))
        case HTTPException() if 400 <= exception.status_code < 500:
            return Invalid("The request is malformed.")
    log.error("unexpected failure", request_id=request_id, exc_info=exception)
    return Unexpected(request_id)
