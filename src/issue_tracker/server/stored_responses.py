"""The responses stored for idempotency keys, for 24 hours. Their space is limited for each actor, and in total."""

import hashlib
import threading
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, text, true

from issue_tracker.clock import now
from issue_tracker.database.tables import idempotency_keys
from issue_tracker.errors import Conflict, NoRoomForResponse
from issue_tracker.settings import Settings

LIFETIME = timedelta(hours=24)

MEASURED_FOR = timedelta(minutes=1)
"""How long a measured sum is reused. Measuring it for every request would take longer than most requests."""


class Claim(msgspec.Struct, frozen=True):
    """A key of an actor, and a MAC of what it was used with.

    The key itself is not stored, and the body only as a MAC under the key: a body may contain a password, which a plain
    hash would not protect. The MAC also covers the actor's company access, so that a response is never repeated to a
    user who may no longer see all of it.
    """

    actor_key: str
    method: str
    path: str
    key: str
    body_hash: bytes

    @property
    def columns(self) -> dict[str, str]:
        """The columns that identify the stored response."""
        return {"actor_key": self.actor_key, "method": self.method, "path": self.path, "key": self.key}


class StoredResponses:
    """The table of stored responses, with this process's estimate of their size. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._most_each, self._most = settings.idempotency_bytes_per_user, settings.idempotency_bytes
        self._guard = threading.Lock()
        self._bytes: dict[str, tuple[datetime, int]] = {}

    def find(self, tx: Connection, claim: Claim) -> Row[Any] | None:
        """Returns the row that is stored for the key, whatever it was used with; None if there is none."""
        same = [idempotency_keys.c[name] == value for name, value in claim.columns.items()]
        alive = idempotency_keys.c.created_at > now() - LIFETIME
        return tx.execute(select(idempotency_keys).where(*same, alive)).first()

    def find_locked(self, tx: Connection, claim: Claim) -> Row[Any] | None:
        """Like `find`, but no other request with the key runs until the transaction ends; deletes expired responses.

        Raises Conflict while another request with the key is running.
        """
        if tx.dialect.name == "postgresql":  # on SQLite, writers take turns anyway
            name = "\n".join(claim.columns.values()).encode()
            number = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)
            locked = tx.execute(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": number})
            if not locked.scalar_one():
                raise Conflict("A request with the same Idempotency-Key is still running.")
        tx.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at <= now() - LIFETIME))
        return self.find(tx, claim)

    def require_room(self, tx: Connection, claim: Claim) -> None:
        """Raises NoRoomForResponse if the stored responses of this actor, or of all actors, reach the limit."""
        of_actor = idempotency_keys.c.actor_key == claim.actor_key
        if self._measured(tx, claim.actor_key, of_actor) >= self._most_each:
            raise NoRoomForResponse("your", self._most_each)
        if self._measured(tx, "", true()) >= self._most:
            raise NoRoomForResponse("all", self._most)

    def store(self, tx: Connection, claim: Claim, status: int, headers: str, body: bytes) -> None:
        """Stores a response for the key; `require_room` must have been called before."""
        values = {**claim.columns, "body_hash": claim.body_hash, "created_at": now()}
        tx.execute(insert(idempotency_keys).values(**values, status=status, headers=headers, body=body))
        with self._guard:
            for name in (claim.actor_key, ""):
                measured_at, known = self._bytes[name]
                self._bytes[name] = measured_at, known + len(body) + len(headers)

    def _measured(self, tx: Connection, name: str, condition: ColumnElement[bool]) -> int:
        at = now()
        with self._guard:
            measured_at, known = self._bytes.get(name, (None, 0))
        if measured_at is None or not measured_at <= at < measured_at + MEASURED_FOR:
            size = func.length(idempotency_keys.c.body) + func.length(idempotency_keys.c.headers)
            known = int(tx.execute(select(func.coalesce(func.sum(size), 0)).where(condition)).scalar_one())
            with self._guard:
                self._bytes[name] = at, known
        return known
