"""A list's ETag is never valid for newer data, even if transactions commit in another order than they began."""

from contextlib import ExitStack

from sqlalchemy import Connection, text

from issue_tracker.actor import Actor, Role
from issue_tracker.companies.queries import get_company_by_name
from issue_tracker.issues.assignments import set_status
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.status import Status
from tests.world import World

TESS = Actor(None, "Tess Ngo", Role.TECHNICIAN, "cli")


def _change(tx: Connection, issue: str, status: str) -> None:
    company = get_company_by_name(tx, TESS, "Contoso")
    set_status(tx, TESS, get_issue_head(tx, TESS, issue, lock=True), company, Status(status))


def test_a_change_that_commits_late_changes_the_etag(world: World) -> None:
    world.given_issue("First", {"Contoso": "new"})
    world.given_issue("Second", {"Contoso": "new"})
    client = world.client()
    if world.engine == "sqlite":  # writers take turns, so the late one is simply the second
        with world.database.write() as tx:
            _change(tx, "Second", "resolved")
        before = client.get("/api/issues")
        with world.database.write() as late:
            _change(late, "First", "resolved")
    else:
        with ExitStack() as earlier:
            early = earlier.enter_context(world.database.write())
            early.execute(text("SELECT pg_current_xact_id()"))
            with world.database.write() as late:
                _change(late, "First", "resolved")  # takes its number first …
                _change(early, "Second", "resolved")
                earlier.close()
                before = client.get("/api/issues")  # … and commits after this read

    after = client.get("/api/issues", headers={"If-None-Match": before.headers["ETag"]})

    assert after.status_code == 200
    assert {m["status"] for item in after.json()["items"] for m in item["assignments"]} == {"resolved"}
