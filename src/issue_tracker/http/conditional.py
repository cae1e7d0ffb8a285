"""Conditional requests (RFC 9110, section 13; contract, section 5): strong ETags and the response 304."""

import hashlib
import re

from starlette.responses import Response, StreamingResponse

from issue_tracker.http.request import Request

CACHE_CONTROL = "private, no-cache"
NO_STORE = "no-store"
"""Used for account data, the audit and exports, so that the browser stores no copy."""

_REWRITTEN = re.compile(
    r"""(?:W/)?                                         # weak
        "(?P<opaque>[^"]*?)
        (?:(?:--?|;)(?:gzip|br|zstd|deflate|bzip2))?"   # with the encoding inside the quotes
        (?:-gzip)?                                      # or after them""",
    re.VERBOSE,
)
"""A validator in the form in which a compressing proxy passes it on."""


def with_validator(request: Request, response: Response) -> Response:
    """Returns the response to a GET with its validator, or a 304 instead if the client already has this version.

    A handler that knows a cheaper validator than a hash of the body sets the `ETag` header itself.
    """
    if response.status_code != 200 or (isinstance(response, StreamingResponse) and "etag" not in response.headers):
        return response
    etag = response.headers.get("etag") or f'"{digest(bytes(response.body))}"'
    cache_control = response.headers.setdefault("cache-control", CACHE_CONTROL)
    if matches(request.header("if-none-match"), etag):
        return not_modified(etag, response.headers.get("vary"), cache_control)
    response.headers["etag"] = etag
    return response


def not_modified(etag: str, vary: str | None = None, cache_control: str = CACHE_CONTROL) -> Response:
    """Returns a 304 with the validator and the Vary that the 200 would have had (RFC 9110, section 15.4.5)."""
    headers = {"ETag": etag, "Cache-Control": cache_control}
    return Response(status_code=304, headers=headers if vary is None else headers | {"Vary": vary})


def matches(header: str | None, etag: str) -> bool:
    """Returns whether an If-Match or If-None-Match header names the validator.

    A proxy that compresses the response changes its validator: nginx makes it weak (`W/"7-2"`); Apache and others
    append the encoding (`"7-2-gzip"`, `"7-2;br"`, `"7-2"-gzip`). Each of our tags identifies one content, regardless of
    its encoding, so these forms are accepted, even where RFC 9110 (section 13.1.1) requires a strong comparison. None
    of our tags ends like that, so no other tag is mistaken for one of ours.
    """
    if header is None:
        return False
    given = [part.strip() for part in header.split(",")]
    return set(given) == {"*"} or etag in given or any(_original(tag) == etag for tag in given)


def _original(tag: str) -> str:
    """Returns the tag that a compressing proxy changed into this one."""
    found = _REWRITTEN.fullmatch(tag)
    return f'"{found["opaque"]}"' if found else tag


def is_fresh(request: Request, etag: str) -> bool:
    """Returns whether the client already has the state that `etag` identifies, so that the state need not be read.

    `*` does not count: whether a matching representation exists is known only after reading.
    """
    header = request.header("if-none-match")
    return header is not None and "*" not in header and matches(header, etag)


def digest(content: bytes) -> str:
    """Returns what a strong ETag contains of a content: a hash without a security function."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
