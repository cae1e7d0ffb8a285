"""The response cache: whole responses to GET requests, found in two ways.

*By request*, on the event loop, while nothing has been committed. The key is the request as it was sent, to the byte:
path, query and all headers, and so the credential, from which the actor and their company access follow. One commit, by
any connection of any process, empties this part: SQLite's `PRAGMA data_version` tells. A response whose credential is
about to end, or must record its use, is not sent from here. SQLite only, because on PostgreSQL learning of a commit
takes a round trip, which costs as much as it saves (docs/decisions/0014).

*By validator*, in a worker thread, on both databases. A list's ETag is computed from the database for every request,
and covers the company access; equal strong ETags mean equal bytes. So nothing has to be removed after a commit.
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

LIMIT = 8 * 1024 * 1024
"""Bytes of all responses that are found in one of the two ways, with the requests that they are found by."""

LARGEST = LIMIT // 32
"""Bytes of the largest response that is found by request: a whole list would push out hundreds of pages."""

LARGEST_BY_VALIDATOR = LIMIT // 4
"""Bytes of the largest response that is found by validator."""


ENTRY = 1024
"""Bytes that an entry takes beyond its texts, roughly: a 304 has no body, and still is not free."""


class CachedResponse(msgspec.Struct, frozen=True, gc=False):
    """A response that is good until `until` (UTC) while nobody commits; its path, its route's template and the id of
    its user, for the log and the metrics.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    until: datetime
    path: str
    path_template: str
    user_id: int | None


class ResponseCache:
    """Everything but `find_by_validator` and `store_by_validator` is used on the event loop only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: int | None = None
        self._checked = False
        self._responses: dict[Hashable, CachedResponse] = {}
        self._size = 0
        self._by_validator: OrderedDict[str, Response] = OrderedDict()
        self._by_validator_size = 0
        self._lock = threading.Lock()

    def version(self) -> int | None:
        """The state of the database: another number after every commit; None where checking it would have to wait.

        Requests of one turn of the event loop share a check: whatever they ask about was there before it.
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
        """The response to the same request, if nobody has committed since and its credential is still good."""
        cached = self._responses.get(_key(scope)) if self._responses else None
        if cached is None or now() >= cached.until:
            return None
        before = self._version
        return cached if self.version() == before else None

    def store(self, version: int, scope: Scope, response: Response, until: datetime | None) -> None:
        """Stores the response to a request that arrived at `version`, unless somebody has committed meanwhile."""
        body = getattr(response, "body", None)
        if until is None or not isinstance(body, bytes):
            return
        size = ENTRY + len(body) + sum(len(name) + len(value) for name, value in scope["headers"])
        if size > LARGEST or "set-cookie" in response.headers or self.version() != version:
            return
        if self._size + size > LIMIT:
            self.clear_requests()
        self._responses[_key(scope)] = CachedResponse(
            status=response.status_code,
            headers=response.raw_headers,
            body=body,
            until=until,
            path=scope["path"],
            path_template=scope["path_template"],
            user_id=scope["state"].get("user_id"),
        )
        self._size += size

    def find_by_validator(self, etag: str) -> Response | None:
        """A response with this ETag that was sent lately."""
        found = self._by_validator.get(etag)
        if found is None:
            return None
        response = Response(found.body)
        response.raw_headers = list(found.raw_headers)
        return response

    def store_by_validator(self, etag: str, response: Response) -> None:
        """Stores a response under its ETag. Beyond the limit the oldest ones go, whose ETags soon name the past."""
        size = len(response.body)
        if size > LARGEST_BY_VALIDATOR:
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
        self._responses.clear()
        self._size = 0


def _key(scope: Scope) -> Hashable:
    headers = [header for header in scope["headers"] if header[0] != b"x-request-id"]
    # Routing changes `path`; `raw_path` stays as it was sent.
    return (scope["method"], scope.get("raw_path") or scope["path"], scope["query_string"], *headers)
