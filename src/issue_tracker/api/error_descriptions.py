"""Texts of the OpenAPI document about errors of any route: their shapes, meanings, headers and examples."""

from typing import Any

import msgspec

from issue_tracker.errors import FieldError
from issue_tracker.status import CHOICES


class Error(msgspec.Struct):
    """What went wrong, as a sentence for people. `reason` is a word for programs that can react to the error."""

    detail: str
    reason: str | msgspec.UnsetType = msgspec.UNSET


class ValidationError(msgspec.Struct):
    """What is invalid; `errors` lists every invalid field."""

    detail: str
    errors: list[FieldError] = []


class Problem(msgspec.Struct):
    """The same error as a problem detail (RFC 9457), for requests with `Accept: application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str
    reason: str | msgspec.UnsetType = msgspec.UNSET
    errors: list[FieldError] = []


HEADERS = {
    "X-Request-ID": "The id of this request in logs and history; a well-formed one from the client is used.",
    "ETag": "The validator of this response.",
    "Link": "With rel=next: the next page of the list (RFC 8288).",
    "X-Sync-Position": "The position for `changedSince`, to list what changed after this response.",
    "Location": "The address of the new issue.",
    "X-Looks-Like": "Existing names that look like the new one, percent-encoded; absent if there are none.",
    "WWW-Authenticate": "How to sign in.",
    "Retry-After": "Seconds to wait before the next attempt.",
    "Idempotent-Replayed": "true when this is the stored response to an earlier request with the same Idempotency-Key.",
}

ERRORS = {
    400: "The body is invalid, or the operation is not possible.",
    401: "The session or token is missing, unknown, expired or revoked.",
    403: "Helpdesk access, super admin access or a session is required, or the CSRF token is missing or wrong. With "
    "the reason `confirmation_required`: the session needs `POST /api/auth/confirm` first; `password_change_required`: "
    "`POST /api/auth/password`; `second_factor_enrolment_required`: a second factor must be set up.",
    404: "The issue, company or other resource does not exist, or is hidden.",
    409: "A request with the same Idempotency-Key is still running.",
    412: "If-Match failed; the response contains the current ETag.",
    413: "The body exceeds the limit, usually 1 MiB.",
    415: "The body is not JSON, or it is compressed.",
    422: "A query parameter is invalid, or the Idempotency-Key was used with another body.",
    429: "There were too many attempts, or too many open event streams or stored responses of the user.",
    503: "The database is unreachable or too busy, or the server is overloaded.",
}

ERROR_EXAMPLES: dict[int, dict[str, Any]] = {
    400: {
        "detail": f"companies[1].status: must be one of {CHOICES}.",
        "errors": [
            {
                "field": "companies[1].status",
                "message": f"must be one of {CHOICES}",
            }
        ],
    },
    401: {"detail": "Sign in to use the issue tracker."},
    403: {"detail": "The CSRF token is missing or wrong; send the session's token in X-CSRF-Token."},
    404: {"detail": "There is no company called “Acme Manufacturin”."},
    409: {"detail": "A request with the same Idempotency-Key is still running."},
    412: {"detail": "The issue has changed since you read it; read it again."},
    413: {"detail": "The body is over 1,048,576 bytes."},
    415: {"detail": "The body must be JSON, with Content-Type: application/json."},
    422: {
        "detail": "limit: must be a whole number from 1 to 500.",
        "errors": [{"field": "limit", "message": "must be a whole number from 1 to 500"}],
    },
    429: {"detail": "Too many attempts. Try again in 60 seconds."},
    503: {"detail": "The database is unreachable or too busy. Try again shortly."},
}
