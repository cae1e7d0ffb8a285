"""Answers that the event loop gives by itself: to the same request as before, while nothing was committed since.

SQLite only, where `PRAGMA data_version` tells whether any other connection, of any process, has committed; it costs
less than the way to a worker thread and back (docs/decisions/0014).
"""

from collections.abc import Hashable
from datetime import datetime

from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.web.answer import Answer
from issue_tracker.web.call import Call

LIMIT = 8 * 1024 * 1024
"""Bytes of all answers that are kept, with the requests that they are found by; a single one may be a quarter of it."""

ENTRY = 1024
"""What an entry takes beyond its texts, roughly: a 304 has no body, and still is not free."""


class KeptAnswers:
    """Used on the event loop only. A request is the same when path, query and headers are, to the byte: so it comes
    from the same session or token, and asks for the same form.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: int | None = None
        self._answers: dict[Hashable, tuple[datetime, Answer]] = {}
        self._size = 0

    def version(self) -> int | None:
        """The state of the database: another number after every commit; None where that cannot be told at once."""
        version = self._database.data_version()
        if version != self._version:
            self._forget()
            self._version = version
        return version

    def find(self, call: Call) -> Answer | None:
        """The answer to the same request, if it was given at this version and its credential is still good."""
        if not self._answers:
            return None
        until, answer = self._answers.get(_same(call), (None, None))
        return answer if until is not None and now() < until else None

    def keep(self, version: int, call: Call, answer: Answer) -> None:
        """Remembers the answer to a request that came at `version`, unless somebody has committed meanwhile."""
        size = ENTRY + len(answer.body) + sum(len(name) + len(value) for name, value in call.scope["headers"])
        if answer.kept_until is None or answer.stream is not None or size > LIMIT // 4:
            return
        if any(name == "Set-Cookie" for name, _ in answer.headers) or self.version() != version:
            return
        if self._size + size > LIMIT:
            self._forget()
        self._answers[_same(call)] = (answer.kept_until, answer)
        self._size += size

    def _forget(self) -> None:
        self._answers.clear()
        self._size = 0


def _same(call: Call) -> Hashable:
    scope = call.scope
    headers = [header for header in scope["headers"] if header[0] != b"x-request-id"]
    return (call.method, scope["path"], scope["query_string"], *headers)
