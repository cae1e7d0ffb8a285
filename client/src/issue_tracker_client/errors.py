"""The client's exceptions: the server refused (by status), was not reached, or sent something unexpected."""

from dataclasses import dataclass

import msgspec

from issue_tracker_client.steps import Reply


class TrackerError(Exception):
    """The base of all exceptions of this client. The text is one sentence for a person."""


class Misuse(TrackerError, ValueError):
    """An argument that this client cannot send; no request was made."""


class Unreachable(TrackerError):
    """There was no response, after all retries.

    `maybe_done` is True when a request was sent and its response lost: the change may have been made.
    """

    def __init__(self, reason: str, *, maybe_done: bool) -> None:
        lost = " The response was lost: the change may have been made." if maybe_done else ""
        super().__init__(f"The server cannot be reached: {reason}.{lost}")
        self.maybe_done = maybe_done


class UnexpectedAnswer(TrackerError):
    """A response below 400 that the contract does not know: another program or a proxy answers at this address."""


class TokenLost(TrackerError):
    """A token was created, and the response with its secret was lost. Revoke `token_id` and create another token."""

    def __init__(self, token_id: int, name: str) -> None:
        super().__init__(f"The secret of the new token {token_id} ({name}) was lost. Revoke it and create another.")
        self.token_id = token_id


@dataclass(frozen=True)
class FieldError:
    """One error in one field, such as `companies[1].status`."""

    field: str
    message: str


class Refused(TrackerError):
    """The server responded with an error; the subclasses are the statuses of the contract's section 2.

    `detail` is the server's sentence, `reason` its word for programs, if there is one, such as
    `second_factor_required`. `errors` are its field errors, `request_id` identifies the request to the
    server's operator, `retry_after` is the number of seconds to wait according to the server. `maybe_done` is True
    if the change may still have been made: the response to an earlier attempt was lost, or this status
    (502, 503, 504) leaves it open.
    """

    def __init__(self, reply: Reply, *, maybe_done: bool = False) -> None:
        explained = explanation(reply)
        self.status = reply.status
        self.detail = explained.detail or f"The server responded with {reply.status}."
        self.errors = explained.errors
        self.reason = explained.reason
        self.request_id: str | None = reply.headers.get("x-request-id")
        self.retry_after = reply.retry_after
        self.etag: str | None = reply.headers.get("etag")
        self.maybe_done = maybe_done
        not_in_detail = [error for error in self.errors if error.message not in self.detail]
        fields = "; ".join(f"{error.field}: {error.message}" for error in not_in_detail)
        sentence = f"{self.detail} ({fields})" if fields else self.detail
        super().__init__(f"{sentence} The change may have been made nevertheless." if maybe_done else sentence)


class BadRequest(Refused):
    """400: the body is invalid, or the operation is not possible."""


class NotSignedIn(Refused):
    """401: no session or token, or an unknown, expired or revoked one."""


class Forbidden(Refused):
    """403: the account or token may not do this."""


class NotFound(Refused):
    """404: the issue or company does not exist."""


class StillRunning(Refused):
    """409: a request with the same Idempotency-Key is still running, after all retries."""


class Changed(Refused):
    """412: the issue has changed since it was read; `etag` is its current one."""


class InvalidQuery(Refused):
    """422: a query parameter is invalid, or the Idempotency-Key was used with another body before."""


class TooManyAttempts(Refused):
    """429, after all retries."""


class Unavailable(Refused):
    """Any 5xx, after all retries: 503 when the database cannot be reached, 502 and 504 from a proxy."""


BY_STATUS: dict[int, type[Refused]] = {
    400: BadRequest,
    401: NotSignedIn,
    403: Forbidden,
    404: NotFound,
    409: StillRunning,
    412: Changed,
    422: InvalidQuery,
    429: TooManyAttempts,
}


def refusal(reply: Reply, *, maybe_done: bool = False) -> Refused:
    """Returns the exception for a response with a status of 400 or above."""
    kind = BY_STATUS.get(reply.status, Unavailable if reply.status >= 500 else Refused)
    return kind(reply, maybe_done=maybe_done)


def unexpected(reply: Reply) -> UnexpectedAnswer:
    """Returns the exception for a response below 400 that the contract does not know, such as a redirect or a page."""
    target = reply.headers.get("location")
    what = f"a redirect to {target}" if target else reply.media_type or "no content"
    return UnexpectedAnswer(f"This is not a response of the Issue Tracker: {reply.status} with {what}.")


@dataclass(frozen=True)
class Explanation:
    """The body of an error."""

    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    reason: str | None = None


# Created while other threads wait for the import: msgspec cannot prepare a type in two threads at once.
_decode_explanation = msgspec.json.Decoder(Explanation).decode


def explanation(reply: Reply) -> Explanation:
    """Returns the decoded body, or an empty one if it is not JSON of the contract, such as a proxy's page."""
    try:
        return _decode_explanation(reply.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Explanation()
