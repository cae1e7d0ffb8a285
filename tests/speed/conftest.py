"""A dataset on each database, large enough for the planner to prefer indexes."""

from collections.abc import Iterator

import pytest
from bench.dataset import fill
from sqlalchemy import insert, text

from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import sessions, tokens, users
from issue_tracker.settings import Settings
from tests.shared import Shared

ASSIGNMENTS = {"sqlite": 20_000, "postgresql": 40_000}
"""PostgreSQL prefers to read all of a smaller table."""
PEOPLE = 1_000
"""The number of users, each with a session and a token."""


@pytest.fixture(scope="module")
def large(engine: str, shared: Shared) -> Iterator[Database]:
    """A third as many issues as assignments, as many events, 1,000 users with sessions and tokens; analysed."""
    url = shared.migrated(engine)
    fill(url, ASSIGNMENTS[engine], 1)
    database = Database(Settings(database_url=url))
    at = now()
    people = range(1, PEOPLE + 1)
    with database.write() as tx:
        person = {"role": "technician", "active": True, "password_hash": "", "created_at": at, "updated_at": at}
        tx.execute(
            insert(users),
            [person | {"user_id": n, "name": f"{n}", "email": f"{n}@x", "email_key": f"{n}@x"} for n in people],
        )
        session = {"address": "", "user_agent": "", "created_at": at, "used_at": at, "expires_at": at}
        tx.execute(insert(sessions), [session | {"user_id": n, "token_hash": n.to_bytes(32)} for n in people])
        token = {"name": "ci", "scopes": "read", "created_at": at}
        tx.execute(
            insert(tokens), [token | {"user_id": n, "key": f"{n:016x}", "secret_hash": n.to_bytes(32)} for n in people]
        )
        tx.execute(text("ANALYZE"))
    yield database
    database.close()
