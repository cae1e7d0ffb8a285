"""Conditional requests (RFC 9110, section 13; contract, section 5): strong ETags, 304, and 412."""

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
"""For what is about accounts, for the audit and for exports: nobody finds it in a browser later."""

_REWRITTEN = re.compile(
    r"""(?:W/)?                                         # weak
        "(?P<opaque>[^"]*?)
        (?:(?:--?|;)(?:gzip|br|zstd|deflate|bzip2))?"   # with the encoding inside of the quotes
        (?:-gzip)?                                      # or behind them""",
    re.VERBOSE,
)
"""A validator as a compressing proxy passes it on."""


def with_validator(request: Request, response: Response) -> Response:
    """The response to a GET with its validator, or a 304 in its place when the client has it already.

    A handler that knows a cheaper validator than a hash of the body sets the header `ETag` itself.
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
    """304, with the validator, and the Vary that the 200 would have had (RFC 9110, section 15.4.5)."""
    headers = {"ETag": etag, "Cache-Control": cache_control}
    return Response(status_code=304, headers=headers if vary is None else headers | {"Vary": vary})


def _matches(header: str | None, etag: str) -> bool:
    """Whether If-Match or If-None-Match names the validator.

    A proxy that compresses the response changes its validator: nginx makes it weak (`W/"7-2"`); Apache and others
    append the encoding (`"7-2-gzip"`, `"7-2;br"`, `"7-2"-gzip`). Each of our tags names one content, whatever its
    encoding, so it is understood in these forms, also where RFC 9110 (section 13.1.1) compares strongly. None of our
    tags ends like that, so no other tag is mistaken for one of ours.
    """
    if header is None:
        return False
    given = [part.strip() for part in header.split(",")]
    return "*" in given or any(_original(tag) == etag for tag in given)


def _original(tag: str) -> str:
    """A tag as it was before a compressing proxy changed it."""
    found = _REWRITTEN.fullmatch(tag)
    return f'"{found["opaque"]}"' if found else tag


def is_fresh(request: Request, etag: str) -> bool:
    """Whether the client has the state that `etag` names, so that reading it can be spared.

    `*` does not say so: whether there is anything to match shows only when it was read.
    """
    header = request.header("if-none-match")
    return header is not None and "*" not in header and _matches(header, etag)


def data_etag(request: Request, state: LogState, *representation: str) -> str:
    """A validator for any read of issues and companies, from the state of the log that the same transaction sees.

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
    """An issue's validator: it covers the issue with all its assignments that the actor sees.

    The history and the time of the last change distinguish it from the one before the database was restored. For a
    limited access it is computed from what is visible, with all details, because the revision counts other changes,
    too.
    """
    if not request.actor.company_access.all:
        seen = msgspec.json.encode(load_issue(request.tx, request.actor, issue.issue_id, details=True))
        return f'"{issue.issue_id}-{_digest(seen + request.app_state.history.identity.encode())}"'
    parts = (issue.updated_at.isoformat(), request.app_state.history.identity, request.actor.company_access.key)
    return f'"{issue.issue_id}-{issue.revision}-{_digest(" ".join(parts).encode())[:12]}"'


def with_details(etag: str) -> str:
    """The validator of the issue with details, which are another representation of the same version."""
    return f'{etag[:-1]}-d"'


def check_if_match(request: Request, issue: IssueHead) -> None:
    """Raises PreconditionFailed unless If-Match is absent or names the issue's current validator.

    `issue` must have been read with a lock in the transaction of the change, in which nothing was written yet.
    """
    stale = find_mismatch(request, issue)
    if stale is not None:
        raise stale


def find_mismatch(request: Request, issue: IssueHead) -> PreconditionFailed | None:
    """Like check_if_match, but returns the error, for a handler that raises others first."""
    header = request.header("if-match")
    if header is None:
        return None
    current = issue_etag(request, issue)
    if _matches(header, current) or _matches(header, with_details(current)):
        return None
    return PreconditionFailed("The issue has changed since you read it; read it again.", headers={"ETag": current})
