"""What can go wrong, as types: refused by the server (by status), not reached, or not understood."""

from dataclasses import dataclass

import msgspec

from issue_tracker_client.steps import Reply


class TrackerError(Exception):
    """Anything this client raises on purpose. Its text is one sentence for a person."""


class Misuse(TrackerError, ValueError):
    """An argument that this client cannot send: nothing was asked of the server."""


class Unreachable(TrackerError):
    """No answer came, after all retries.

    `maybe_done` is True when a request was sent and its answer lost: the change may have been made.
    """

    def __init__(self, reason: str, *, maybe_done: bool) -> None:
        lost = " The answer was lost: the change may have been made." if maybe_done else ""
        super().__init__(f"The server cannot be reached: {reason}.{lost}")
        self.maybe_done = maybe_done


class UnexpectedAnswer(TrackerError):
    """An answer below 400 that is not the contract's: another program answers at this address, or a proxy."""


class TokenLost(TrackerError):
    """A token was made, and the answer with its secret lost: it is shown once. Revoke `token_id`, make another."""

    def __init__(self, token_id: int, name: str) -> None:
        super().__init__(f"The secret of the new token {token_id} ({name}) was lost: revoke it, and make another.")
        self.token_id = token_id


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one field, such as `companies[1].status`."""

    field: str
    message: str


class Refused(TrackerError):
    """The server answered with an error; the subclasses name the ones in the contract's section 2.

    `detail` is the server's sentence, `errors` its field errors, `request_id` what to ask its operator about,
    `retry_after` the seconds the server asks to wait. `maybe_done` is True when the change may have been made
    all the same: an earlier attempt's answer was lost, or this one (502, 503, 504) leaves it open.
    """

    def __init__(self, reply: Reply, *, maybe_done: bool = False) -> None:
        said = explanation(reply)
        self.status = reply.status
        self.detail = said.detail or f"The server answered {reply.status}."
        self.errors = said.errors
        self.request_id: str | None = reply.headers.get("x-request-id")
        self.retry_after = reply.retry_after
        self.etag: str | None = reply.headers.get("etag")
        self.maybe_done = maybe_done
        unsaid = [error for error in self.errors if error.message not in self.detail]
        fields = "; ".join(f"{error.field}: {error.message}" for error in unsaid)
        sentence = f"{self.detail} ({fields})" if fields else self.detail
        super().__init__(f"{sentence} The change may have been made all the same." if maybe_done else sentence)


class BadRequest(Refused):
    """400: the body does not validate, or the operation cannot be done."""


class NotSignedIn(Refused):
    """401: no session or token, or an unknown, expired or revoked one."""


class Forbidden(Refused):
    """403: the account or token may not do this."""


class NotFound(Refused):
    """404: the issue or company cannot be located."""


class StillRunning(Refused):
    """409: a request with the same Idempotency-Key is still running, after all retries."""


class Changed(Refused):
    """412: the issue changed since; `etag` is its current one."""


class InvalidQuery(Refused):
    """422: a query parameter is invalid, or an Idempotency-Key was used with another body before."""


class TooManyAttempts(Refused):
    """429, after all retries."""


class Unavailable(Refused):
    """Any 5xx, after all retries: 503 when the database is out of reach, 502 and 504 from a proxy."""


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
    """The error for an answer of 400 or above."""
    kind = BY_STATUS.get(reply.status, Unavailable if reply.status >= 500 else Refused)
    return kind(reply, maybe_done=maybe_done)


def unexpected(reply: Reply) -> UnexpectedAnswer:
    """The error for an answer below 400 that the contract does not have: a redirect, a page."""
    target = reply.headers.get("location")
    what = f"a redirect to {target}" if target else reply.media_type or "no content"
    return UnexpectedAnswer(f"This is not an answer of the Issue Tracker: {reply.status} with {what}.")


@dataclass(frozen=True)
class Explanation:
    detail: str = ""
    errors: tuple[FieldError, ...] = ()


def explanation(reply: Reply) -> Explanation:
    """What the body says, or nothing when it is not the contract's (a proxy's page, for one)."""
    try:
        return msgspec.json.decode(reply.content, type=Explanation)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Explanation()
