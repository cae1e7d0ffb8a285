"""Answers that the event loop gives by itself: to the same request as before, while nothing was committed since.

SQLite only, where `PRAGMA data_version` tells whether any other connection, of any process, has committed; it costs
less than the way to a worker thread and back (docs/decisions/0014).
"""

import asyncio
from collections.abc import Hashable
from datetime import datetime

import msgspec
from litestar.types import HTTPScope

from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.web.answer import Answer
from issue_tracker.web.call import Call

LIMIT = 8 * 1024 * 1024
"""Bytes of all answers that are kept, with the requests that they are found by."""

LARGEST = LIMIT // 32
"""Bytes of the largest. A whole list would push out hundreds of pages, and sending it takes longer than making it."""

ENTRY = 1024
"""What an entry takes beyond its texts, roughly: a 304 has no body, and still is not free."""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """One answer, good until then while nobody commits; the path that it was logged by, and its route's template."""

    answer: Answer
    until: datetime
    path: str
    route: str


class KeptAnswers:
    """Used on the event loop only. A request is the same when path, query and headers are, to the byte: so it comes
    from the same session or token, and asks for the same form.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: int | None = None
        self._looked = False
        self._answers: dict[Hashable, Kept] = {}
        self._size = 0

    def version(self) -> int | None:
        """The state of the database: another number after every commit; None where that cannot be told at once.

        Whatever else the event loop does in this turn was there before the first look, so it shares that look.
        """
        if not self._looked:
            version = self._database.data_version()
            if version != self._version:
                self._forget()
                self._version = version
            self._looked = True
            asyncio.get_running_loop().call_soon(self._look_again)
        return self._version

    def _look_again(self) -> None:
        self._looked = False

    def find(self, scope: HTTPScope) -> Kept | None:
        """The answer to the same request, if nobody has committed since and its credential is still good."""
        kept = self._answers.get(_same(scope)) if self._answers else None
        if kept is None or now() >= kept.until:
            return None
        before = self._version
        return kept if self.version() == before else None

    def keep(self, version: int, call: Call, answer: Answer) -> None:
        """Remembers the answer to a request that came at `version`, unless somebody has committed meanwhile."""
        size = ENTRY + len(answer.body) + sum(len(name) + len(value) for name, value in call.scope["headers"])
        if answer.kept_until is None or answer.stream is not None or size > LARGEST:
            return
        if any(name == "Set-Cookie" for name, _ in answer.headers) or self.version() != version:
            return
        if self._size + size > LIMIT:
            self._forget()
        route = call.scope["path_template"]
        self._answers[_same(call.scope)] = Kept(answer, answer.kept_until, call.scope["path"], route)
        self._size += size

    def _forget(self) -> None:
        self._answers.clear()
        self._size = 0


def _same(scope: HTTPScope) -> Hashable:
    headers = [header for header in scope["headers"] if header[0] != b"x-request-id"]
    # Routing rewrites `path`; what was sent stays in `raw_path`.
    return (scope["method"], scope.get("raw_path") or scope["path"], scope["query_string"], *headers)
