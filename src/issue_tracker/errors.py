"""Errors as classes. Each class has an HTTP status, and each error one sentence that is safe to show to anyone.

The command line prints the same sentence. The HTTP layer turns an error into JSON, problem+json or a page.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

LISTED_FIELDS = 20
"""Maximum number of invalid fields that the sentence of an error names; `fields` has all of them."""


class FieldError(msgspec.Struct, frozen=True):
    """One invalid field, by its path in the request, such as `companies[1].status`."""

    field: str
    message: str


class AppError(Exception):
    """Base of every error that a caller may see.

    `detail` is one sentence for people. `fields` names the invalid input. `headers` are sent with the HTTP response.
    `reason_code` is a word for programs that can react to the error; the response calls it `reason`. `more` contains
    further fields of the response.
    """

    status = 500
    title = "Internal Server Error"
    reason_code: str | None = None

    def __init__(
        self, detail: str, *, fields: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = tuple(fields)
        self.headers = dict(headers or {})
        self.more: dict[str, Any] = {}


class Invalid(AppError):
    """The request body is invalid, or the operation is not possible (contract, section 2: 400)."""

    status = 400
    title = "Bad Request"

    @classmethod
    def field(cls, field: str, message: str) -> "Invalid":
        """Returns an error for one invalid field, which its sentence names."""
        return cls(sentence([FieldError(field, message)]), fields=[FieldError(field, message)])

    @classmethod
    def of(cls, fields: Sequence[FieldError]) -> "Invalid":
        """Returns an error for several invalid fields, which its sentence names."""
        return cls(sentence(fields), fields=fields)


class InvalidQuery(Invalid):
    """A query parameter is invalid (contract, section 2: 422)."""

    status = 422
    title = "Unprocessable Content"

    @classmethod
    def cursor(cls) -> Invalid:
        """Returns the error for a `cursor` that does not come from the list."""
        return cls.field("cursor", "is not a cursor of this list; take it from the header Link")


class Unauthenticated(AppError):
    """The session or token is missing, unknown, expired or revoked (401)."""

    status = 401
    title = "Unauthorized"

    def __init__(self, detail: str = "Sign in to use the issue tracker.") -> None:
        super().__init__(
            detail,
            headers={"WWW-Authenticate": 'Session realm="issue-tracker", Bearer realm="issue-tracker"'},
        )


class Forbidden(AppError):
    """The actor is signed in but not allowed, or the CSRF token is missing or wrong (403)."""

    status = 403
    title = "Forbidden"


class ConfirmationRequired(Forbidden):
    """The last proof that the user is present is not recent enough (contract, section 11)."""

    reason_code = "confirmation_required"

    def __init__(self, detail: str = "Confirm that it is you: enter your password again.") -> None:
        super().__init__(detail)


class PasswordChangeRequired(Forbidden):
    """A super admin knows the user's password, so the user must choose a new one first (contract, section 11)."""

    reason_code = "password_change_required"

    def __init__(self) -> None:
        super().__init__("Choose a new password first: a super admin knows the current one.")


class SecondFactorEnrolmentRequired(Forbidden):
    """The user needs a second factor, and has not set one up yet."""

    reason_code = "second_factor_enrolment_required"

    def __init__(self) -> None:
        super().__init__("Set up a second factor first: your account needs one.")


class NotFound(AppError):
    """An issue, a company or another resource does not exist, or is hidden from the actor (404)."""

    status = 404
    title = "Not Found"


class MethodNotAllowed(AppError):
    """The path exists, but does not support this method (405, with `Allow`)."""

    status = 405
    title = "Method Not Allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"This path supports only {allowed}.", headers={"Allow": allowed})


class Conflict(AppError):
    """A request with the same Idempotency-Key is still running (409)."""

    status = 409
    title = "Conflict"


class PreconditionFailed(AppError):
    """If-Match did not match; the response carries the current ETag (412)."""

    status = 412
    title = "Precondition Failed"


class TooLarge(AppError):
    """The request body exceeds the limit (413)."""

    status = 413
    title = "Content Too Large"


class UnsupportedMediaType(AppError):
    """The request body is not JSON, or is compressed (415)."""

    status = 415
    title = "Unsupported Media Type"


class TooManyAttempts(AppError):
    """The caller is throttled (429, with `Retry-After` in seconds). `account` is the account's name for the audit."""

    status = 429
    title = "Too Many Requests"

    def __init__(self, retry_after: int, account: str = "") -> None:
        # Longer waits in minutes, rounded up: nobody waits for 893 seconds.
        seconds = "1 second" if retry_after == 1 else f"{retry_after} seconds"
        wait = seconds if retry_after <= 90 else f"{-(-retry_after // 60)} minutes"
        super().__init__(
            f"Too many attempts. Try again in {wait}.",
            headers={"Retry-After": str(retry_after)},
        )
        self.account = account


class NoRoomForResponse(AppError):
    """The responses stored for idempotency keys take too many bytes (429, with `Retry-After` in seconds)."""

    status = 429
    title = "Too Many Requests"

    def __init__(self, whose: str, most: int) -> None:
        super().__init__(
            f"The responses stored for {whose} Idempotency-Keys have reached the limit of {most:,} bytes. Try again "
            "later, or without a key.",
            headers={"Retry-After": "3600"},
        )


class TooBusy(AppError):
    """Too many requests that hash a password are waiting (503, with `Retry-After` in seconds)."""

    status = 503
    title = "Service Unavailable"

    def __init__(self) -> None:
        super().__init__(
            "Too many people are signing in at the moment. Try again shortly.", headers={"Retry-After": "5"}
        )


class TooManyStreams(AppError):
    """The user has the maximum number of event streams open (429, with `Retry-After` in seconds)."""

    status = 429
    title = "Too Many Requests"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have reached the limit of open event streams ({limit}). Close one first.",
            headers={"Retry-After": "30"},
        )


class Cause(Enum):
    """Why the database is unavailable. The value is a clause that may be shown to anyone."""

    BUSY = "the database is too busy"
    UNREACHABLE = "the database is unreachable"
    REFUSED = "the database refuses the connection"
    DESCRIPTORS = "the server has no file descriptors left"
    FULL = "the disk of the database is full"
    STORAGE = "the disk of the database is failing"
    READ_ONLY = "the database is read-only"
    MISSING = "the database file was removed or replaced"
    DAMAGED = "the database is damaged"
    SCHEMA = "the database schema is not the one that this program needs"

    @property
    def passing(self) -> bool:
        """Whether the cause usually ends without an operator."""
        return self in (Cause.BUSY, Cause.UNREACHABLE)


BUSY_OR_UNREACHABLE = "The database is unreachable or too busy. Try again shortly."
UNUSABLE = "The database cannot be used at the moment. Try again later."


class Unavailable(AppError):
    """The database cannot be used (503, with `Retry-After` in seconds).

    `detail` is for callers. `cause` is the class of the failure, which `/readyz` may show. `reason` is one sentence in
    the driver's words, including names of hosts and users, for the log and the command line only; None if no driver
    reported anything.
    """

    status = 503
    title = "Service Unavailable"

    def __init__(
        self, detail: str | None = None, *, cause: Cause = Cause.UNREACHABLE, reason: str | None = None
    ) -> None:
        super().__init__(detail or (BUSY_OR_UNREACHABLE if cause.passing else UNUSABLE), headers={"Retry-After": "2"})
        self.cause = cause
        self.reason = reason

    @property
    def diagnosis(self) -> str:
        """One sentence that names the cause and contains nothing secret, as `/readyz` shows it."""
        return f"{self.cause.value[0].upper()}{self.cause.value[1:]}."


class Overloaded(AppError):
    """The server has more requests than it can handle (503, with `Retry-After` in seconds)."""

    status = 503
    title = "Service Unavailable"

    def __init__(self, detail: str = "The server is overloaded. Try again shortly.") -> None:
        super().__init__(detail, headers={"Retry-After": "2"})


def sentence(fields: Sequence[FieldError]) -> str:
    """Returns one sentence that names the invalid fields; of very many, the first ones and how many more there are."""
    listed = [f"{error.field}: {error.message}" if error.field else error.message for error in fields[:LISTED_FIELDS]]
    if len(fields) > LISTED_FIELDS:
        listed.append(f"and {len(fields) - LISTED_FIELDS:,} more")
    return "; ".join(listed).removesuffix(".") + "."
