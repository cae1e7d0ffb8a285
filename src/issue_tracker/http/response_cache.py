"""The response cache: whole responses to GET requests, found in two ways.

*By request*, on the event loop, until the next commit. The key is the request exactly as it was sent: path, query and
all headers, and therefore the credential, which determines the actor and their company access. A commit by any
connection of any process empties this part; SQLite's `PRAGMA data_version` reveals it. A cached response is not sent
if its credential is about to expire, or if its use must be recorded. SQLite only: on PostgreSQL, detecting a commit
takes a round trip, which costs as much as the cache saves (docs/decisions/0014).

*By validator*, in a worker thread, on both databases. A list's ETag is computed from the database for every request,
and covers the company access; equal strong ETags mean equal bytes. Therefore a commit need not evict anything.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime

import msgspec
from starlette.responses import Response
from starlette.types import Scope

from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.server.rendered_heads import render_head
from issue_tracker.server.security_headers import Headers, SecurityHeaders
from issue_tracker.settings import Settings

LIMIT = 8 * 1024 * 1024
"""Maximum size, in bytes, of all responses that are found by validator, of the small ones that are found by request,
and of the large ones, including their keys."""

SMALL = LIMIT // 32
"""Maximum size, in bytes, of a small response: a whole list must not evict hundreds of pages."""

LARGEST = LIMIT // 4
"""Maximum size, in bytes, of a response."""

ENTRY = 2048
"""Approximate overhead of an entry, in bytes: even a 304, which has no body, takes memory."""


class CachedResponse(msgspec.Struct, gc=False):
    """A response that is valid until `until` (UTC) or the next commit, whichever is earlier; with its path, its route's
    template and its user's id, for the log and the metrics. `head` contains the status and `headers` as they are sent;
    the first request that finds the response adds it, because most responses are not requested again.
    """

    status: int
    headers: Headers
    body: bytes
    until: datetime
    path: str
    path_template: str
    user_id: int | None
    head: bytes | None = None


class ResponseCache:
    """The cache. All methods except `find_by_validator` and `store_by_validator` run on the event loop only."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._security = SecurityHeaders(settings)
        self._version: int | None = None
        self._checked = False
        self._responses: dict[bool, dict[Hashable, CachedResponse]] = {False: {}, True: {}}
        """The responses found by request, apart from each other the small (False) and the large ones (True)."""
        self._sizes = {False: 0, True: 0}
        self._by_validator: OrderedDict[str, Response] = OrderedDict()
        self._by_validator_size = 0
        self._lock = threading.Lock()

    def version(self) -> int | None:
        """Returns the state of the database: a number that changes with every commit; None if reading it would block.

        Requests in one iteration of the event loop share one read: all of them arrived before it.
        """
        if not self._checked:
            version = self._database.data_version()
            if version != self._version:
                self.clear_requests()
                self._version = version
            self._checked = True
            asyncio.get_running_loop().call_soon(self._expire_check)
        return self._version

    def _expire_check(self) -> None:
        self._checked = False

    def find(self, scope: Scope) -> CachedResponse | None:
        """Returns the response to an identical request, if nothing was committed since and the credential is valid."""
        key = _key(scope)
        cached = self._responses[False].get(key) or self._responses[True].get(key)
        if cached is None or now() >= cached.until:
            return None
        before = self._version
        if self.version() != before:
            return None
        if cached.head is None:
            cached.headers = self._security.added_to(cached.status, cached.headers)
            cached.head = render_head(cached.status, cached.headers)
        return cached

    def store(self, version: int, scope: Scope, response: Response, until: datetime | None) -> None:
        """Stores the response to a request that arrived at `version`, unless something was committed since."""
        body = getattr(response, "body", None)
        if until is None or not isinstance(body, bytes):
            return
        size = ENTRY + len(body) + sum([len(name) + len(value) for name, value in scope["headers"]])
        if size > LARGEST or "set-cookie" in response.headers or self.version() != version:
            return
        large = size > SMALL
        if self._sizes[large] + size > LIMIT:
            self._responses[large], self._sizes[large] = {}, 0
        self._sizes[large] += size
        self._responses[large][_key(scope)] = CachedResponse(
            status=response.status_code,
            headers=response.raw_headers,
            body=body,
            until=until,
            path=scope["path"],
            path_template=scope["path_template"],
            user_id=scope["state"].get("user_id"),
        )

    def find_by_validator(self, etag: str) -> Response | None:
        """Returns a recently sent response with this ETag; None if there is none."""
        found = self._by_validator.get(etag)
        if found is None:
            return None
        response = Response(found.body)
        response.raw_headers = list(found.raw_headers)
        return response

    def store_by_validator(self, etag: str, response: Response) -> None:
        """Stores a response under its ETag. Over the limit, the oldest entries are evicted: their ETags soon expire."""
        size = len(response.body)
        if size > LARGEST:
            return
        with self._lock:
            if etag not in self._by_validator:
                self._by_validator[etag] = response
                self._by_validator_size += ENTRY + size
            while self._by_validator_size > LIMIT:
                _, oldest = self._by_validator.popitem(last=False)
                self._by_validator_size -= ENTRY + len(oldest.body)

    def clear(self) -> None:
        """Removes every response."""
        self.clear_requests()
        with self._lock:
            self._by_validator.clear()
            self._by_validator_size = 0

    def clear_requests(self) -> None:
        """Removes the responses that are found by request."""
        self._responses, self._sizes = {False: {}, True: {}}, {False: 0, True: 0}


def _key(scope: Scope) -> Hashable:
    headers = [header for header in scope["headers"] if header[0] != b"x-request-id"]
    # Routing changes `path`; `raw_path` is the path as the client sent it.
    return (scope["method"], scope.get("raw_path") or scope["path"], scope["query_string"], *headers)
