"""What can go wrong, as classes: each has an HTTP status and one sentence that is safe to show anyone.

The CLI prints the same sentence; the web layer turns the class into JSON, problem+json or a page.
"""

from collections.abc import Mapping, Sequence

import msgspec

TOLD = 20
"""How many invalid fields the sentence of an error names; `errors` has them all."""


class FieldError(msgspec.Struct, frozen=True):
    """One invalid field, by its path in the request, such as `companies[1].status`."""

    field: str
    message: str


class AppError(Exception):
    """Base of every error that a caller may see.

    `detail` is one sentence for a person. `fields` names invalid input. `headers` ride on the HTTP answer.
    """

    status = 500
    title = "Internal Server Error"

    def __init__(
        self, detail: str, *, fields: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = tuple(fields)
        self.headers = dict(headers or {})


class Invalid(AppError):
    """The request body does not validate, or the operation cannot be done (contract, section 2: 400)."""

    status = 400
    title = "Bad Request"

    @classmethod
    def field(cls, field: str, message: str) -> "Invalid":
        """One invalid field; the sentence names it."""
        return cls(sentence([FieldError(field, message)]), fields=[FieldError(field, message)])

    @classmethod
    def of(cls, fields: Sequence[FieldError]) -> "Invalid":
        """Several invalid fields at once."""
        return cls(sentence(fields), fields=fields)


class InvalidQuery(Invalid):
    """A query parameter is invalid (contract, section 2: 422)."""

    status = 422
    title = "Unprocessable Content"


class Unauthenticated(AppError):
    """No, unknown, expired or revoked session or token (401)."""

    status = 401
    title = "Unauthorized"

    def __init__(self, detail: str = "Sign in to use the issue tracker.") -> None:
        super().__init__(
            detail,
            headers={"WWW-Authenticate": 'Session realm="issue-tracker", Bearer realm="issue-tracker"'},
        )


class Forbidden(AppError):
    """Signed in, but not allowed; or the CSRF token is missing or wrong (403)."""

    status = 403
    title = "Forbidden"


class NotFound(AppError):
    """An issue, a company or another thing cannot be located (404)."""

    status = 404
    title = "Not Found"


class MethodNotAllowed(AppError):
    """The path exists, but not with this method (405, with `Allow`)."""

    status = 405
    title = "Method Not Allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"This path answers to {allowed} only.", headers={"Allow": allowed})


class Conflict(AppError):
    """A request with the same Idempotency-Key is still running (409)."""

    status = 409
    title = "Conflict"


class PreconditionFailed(AppError):
    """If-Match did not match; the answer carries the current ETag (412)."""

    status = 412
    title = "Precondition Failed"


class TooLarge(AppError):
    """The request body is over the limit (413)."""

    status = 413
    title = "Content Too Large"


class UnsupportedMediaType(AppError):
    """The request body is not JSON (415)."""

    status = 415
    title = "Unsupported Media Type"


class TooManyAttempts(AppError):
    """Throttled (429, with `Retry-After` in seconds)."""

    status = 429
    title = "Too Many Requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            f"Too many attempts. Try again in {retry_after} seconds.",
            headers={"Retry-After": str(retry_after)},
        )


class Unavailable(AppError):
    """The database is out of reach or too busy (503, with `Retry-After` in seconds)."""

    status = 503
    title = "Service Unavailable"

    def __init__(self, detail: str = "The database is out of reach or too busy. Try again shortly.") -> None:
        super().__init__(detail, headers={"Retry-After": "2"})


def sentence(fields: Sequence[FieldError]) -> str:
    """One sentence that names the invalid fields; of very many, the first ones and how many more."""
    told = [f"{error.field}: {error.message}" if error.field else error.message for error in fields[:TOLD]]
    if len(fields) > TOLD:
        told.append(f"and {len(fields) - TOLD:,} more")
    return "; ".join(told) + "."
