"""The space of the responses stored for idempotency keys: limited for each actor, and in total."""

import threading
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, select, true

from issue_tracker.clock import now
from issue_tracker.database.tables import idempotency_keys
from issue_tracker.errors import NoRoomForResponse
from issue_tracker.settings import Settings

MEASURED_FOR = timedelta(minutes=1)
"""How long a measured sum is reused. Measuring it for every request would take longer than most requests."""


class StoredResponses:
    """This process's estimate of the stored bytes. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._most_each, self._most = settings.idempotency_bytes_per_user, settings.idempotency_bytes
        self._guard = threading.Lock()
        self._bytes: dict[str, tuple[datetime, int]] = {}

    def require_room(self, tx: Connection, actor_key: str) -> None:
        """Raises NoRoomForResponse if the stored responses of this actor, or of all actors, reach the limit."""
        if self._stored(tx, actor_key, idempotency_keys.c.actor_key == actor_key) >= self._most_each:
            raise NoRoomForResponse("your", self._most_each)
        if self._stored(tx, "", true()) >= self._most:
            raise NoRoomForResponse("all", self._most)

    def add(self, actor_key: str, size: int) -> None:
        """Adds a newly stored response to the estimate; `require_room` must have been called before."""
        with self._guard:
            for name in (actor_key, ""):
                measured_at, known = self._bytes[name]
                self._bytes[name] = measured_at, known + size

    def _stored(self, tx: Connection, name: str, condition: ColumnElement[bool]) -> int:
        at = now()
        with self._guard:
            measured_at, known = self._bytes.get(name, (None, 0))
        if measured_at is None or not measured_at <= at < measured_at + MEASURED_FOR:
            size = func.length(idempotency_keys.c.body) + func.length(idempotency_keys.c.headers)
            known = int(tx.execute(select(func.coalesce(func.sum(size), 0)).where(condition)).scalar_one())
            with self._guard:
                self._bytes[name] = at, known
        return known
