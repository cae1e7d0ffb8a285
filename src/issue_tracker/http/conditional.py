"""Conditional requests (RFC 9110, section 13; contract, section 5): strong ETags and the responses 304 and 412."""

import hashlib
import re

import msgspec
from starlette.responses import Response, StreamingResponse

from issue_tracker.errors import PreconditionFailed
from issue_tracker.events.queries.log import LogState
from issue_tracker.http.request import Request
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import load_issue

CACHE_CONTROL = "private, no-cache"
NO_STORE = "no-store"
"""Used for account data, the audit and exports, so that the browser stores no copy."""

_REWRITTEN = re.compile(
    r"""(?:W/)?                                         # weak
        "(?P<opaque>[^"]*?)
        (?:(?:--?|;)(?:gzip|br|zstd|deflate|bzip2))?"   # with the encoding inside of the quotes
        (?:-gzip)?                                      # or behind them""",
    re.VERBOSE,
)
"""A validator in the form in which a compressing proxy passes it on."""


def with_validator(request: Request, response: Response) -> Response:
    """Returns the response to a GET with its validator, or a 304 instead if the client already has this version.

    A handler that knows a cheaper validator than a hash of the body sets the `ETag` header itself.
    """
    if response.status_code != 200 or (isinstance(response, StreamingResponse) and "etag" not in response.headers):
        return response
    etag = response.headers.get("etag") or f'"{_digest(bytes(response.body))}"'
    cache_control = response.headers.setdefault("cache-control", CACHE_CONTROL)
    if _matches(request.header("if-none-match"), etag):
        return not_modified(etag, response.headers.get("vary"), cache_control)
    response.headers["etag"] = etag
    return response


def not_modified(etag: str, vary: str | None = None, cache_control: str = CACHE_CONTROL) -> Response:
    """Returns a 304 with the validator and the Vary that the 200 would have had (RFC 9110, section 15.4.5)."""
    headers = {"ETag": etag, "Cache-Control": cache_control}
    return Response(status_code=304, headers=headers if vary is None else headers | {"Vary": vary})


def _matches(header: str | None, etag: str) -> bool:
    """Returns whether an If-Match or If-None-Match header names the validator.

    A proxy that compresses the response changes its validator: nginx makes it weak (`W/"7-2"`); Apache and others
    append the encoding (`"7-2-gzip"`, `"7-2;br"`, `"7-2"-gzip`). Each of our tags identifies one content, regardless of
    its encoding, so these forms are accepted, even where RFC 9110 (section 13.1.1) requires a strong comparison. None
    of our tags ends like that, so no other tag is mistaken for one of ours.
    """
    if header is None:
        return False
    given = [part.strip() for part in header.split(",")]
    return "*" in given or any(_original(tag) == etag for tag in given)


def _original(tag: str) -> str:
    """Returns the tag that a compressing proxy changed into this one."""
    found = _REWRITTEN.fullmatch(tag)
    return f'"{found["opaque"]}"' if found else tag


def is_fresh(request: Request, etag: str) -> bool:
    """Returns whether the client already has the state that `etag` identifies, so that the state need not be read.

    `*` does not count: whether a matching representation exists is known only after reading.
    """
    header = request.header("if-none-match")
    return header is not None and "*" not in header and _matches(header, etag)


def data_etag(request: Request, state: LogState, *representation: str) -> str:
    """Returns a validator for any read of issues and companies, from the state of the log in the same transaction.

    Every change of data writes an event in its own transaction, so the state of the log identifies the state of all
    data (docs/decisions/0005-etags.md). `representation` distinguishes responses made from the same state; so does
    the company access of the actor, which the state of the log includes.
    """
    parts = (
        request.app_state.history.identity,
        state.key(request.actor.company_access),
        request.path,
        request.query_text,
        *representation,
    )
    return f'"{_digest(chr(10).join(parts).encode("utf-8", "replace"))}"'


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def issue_etag(request: Request, issue: IssueHead) -> str:
    """Returns an issue's validator, which covers the issue and all of its assignments that the actor may see.

    The history identity and the time of the last change distinguish it from validators that were issued before the
    database was restored. For a limited company access the validator is computed from the visible content, with all
    details, because the revision also counts changes that this actor may not see.
    """
    if not request.actor.company_access.all:
        seen = msgspec.json.encode(load_issue(request.tx, request.actor, issue.issue_id, details=True))
        return f'"{issue.issue_id}-{_digest(seen + request.app_state.history.identity.encode())}"'
    parts = (issue.updated_at.isoformat(), request.app_state.history.identity, request.actor.company_access.key)
    return f'"{issue.issue_id}-{issue.revision}-{_digest(" ".join(parts).encode())[:12]}"'


def with_details(etag: str) -> str:
    """Returns the validator of the issue with details, which is another representation of the same version."""
    return f'{etag[:-1]}-d"'


def check_if_match(request: Request, issue: IssueHead) -> None:
    """Raises PreconditionFailed unless If-Match is absent or names the issue's current validator.

    `issue` must have been read with a lock in the transaction of the change, before that transaction writes anything.
    """
    stale = find_mismatch(request, issue)
    if stale is not None:
        raise stale


def find_mismatch(request: Request, issue: IssueHead) -> PreconditionFailed | None:
    """Returns the error that check_if_match would raise, for a handler that raises other errors first."""
    header = request.header("if-match")
    if header is None:
        return None
    current = issue_etag(request, issue)
    if _matches(header, current) or _matches(header, with_details(current)):
        return None
    return PreconditionFailed("The issue has changed since you read it; read it again.", headers={"ETag": current})
