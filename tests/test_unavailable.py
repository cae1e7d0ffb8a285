"""If the database is too busy or has another schema, the response is 503 with `Retry-After`, and never hangs."""

import time

import httpx
import pytest
from sqlalchemy import text

from issue_tracker.actor import command_line
from issue_tracker.database import migrate
from issue_tracker.issues import operations
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.settings import Settings
from tests.clients import get
from tests.server import serving
from tests.world import World

WAIT = 1.0
"""Seconds for which the server waits for the database."""


def test_a_writer_that_waits_too_long_for_another_gets_a_503(world: World) -> None:
    """On SQLite any writer blocks the request; on PostgreSQL only a writer of the same issue does."""
    world.given_issue("Held", {"Contoso": "new"})
    url = world.server.settings.database_url
    actor = command_line("tests")
    change = {"description": "changed meanwhile"}
    with serving(Settings(database_url=url, log_level="error", database_wait_seconds=WAIT)) as impatient:
        client = world.client("tess")
        client.base_url = httpx.URL(impatient.url)
        with world.database.write() as tx:
            held = get_issue_head(tx, actor, "Held", lock=True)
            operations.update_issue(tx, actor, held, description="changed first")
            for method, path, body in (
                ("PUT", "/api/issues/Held", change),
                ("PUT", "/api/issues/status", {"issue_name": "Held", "company_name": "Contoso", "status": "closed"}),
            ):
                started = time.monotonic()
                refused = client.request(method, path, json=body)
                assert refused.status_code == 503, refused.text
                assert int(refused.headers["Retry-After"]) > 0 and "too busy" in refused.json()["detail"]
                assert WAIT * 0.9 < time.monotonic() - started < WAIT + 5
            assert client.call("GET", "/api/issues/Held", 200)["description"] is None, "readers never wait"
        assert client.call("GET", "/api/issues/Held", 200)["description"] == "changed first"
        assert client.call("PUT", "/api/issues/Held", 200, json=change)["description"] == "changed meanwhile"


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ("0001", "The database schema is not current; run `issue-tracker migrate`."),
        ("9999", f"This database is newer (9999) than this program ({migrate.head()})"),
    ],
    ids=["older", "newer"],
)
def test_the_server_is_not_ready_with_another_schema(migrated_url: str, found: str, sentence: str) -> None:
    with serving(Settings(database_url=migrated_url, log_level="error")) as server:

        def given_version(number: str) -> None:
            with server.database.write() as tx:
                tx.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})

        assert get(f"{server.url}/readyz").json() == {"status": "ok"}
        given_version(found)
        refused = get(f"{server.url}/readyz")
        assert refused.status_code == 503 and int(refused.headers["Retry-After"]) > 0
        assert refused.json()["detail"].startswith(sentence)
        assert get(f"{server.url}/healthz").status_code == 200
        given_version(migrate.head())
        assert get(f"{server.url}/readyz").status_code == 200
