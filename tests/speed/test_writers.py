"""Many writers at once: on SQLite they queue and none times out; on PostgreSQL different issues do not wait."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from issue_tracker.actor import command_line
from issue_tracker.companies.queries import get_company_by_name
from issue_tracker.issues import operations, queries
from issue_tracker.status import Status
from tests.world import World

WRITERS = 64


def test_of_64_writers_at_once_none_is_refused(world: World) -> None:
    names = [f"Fault {number}" for number in range(WRITERS)]
    for name in names:
        world.given_issue(name, {"Contoso": "new"})
    clients = [world.client("tess") for _ in names]

    def write(number: int) -> list[int]:
        changes = ("investigating", "monitoring", "resolved")
        body = {"issue_name": names[number], "company_name": "Contoso"}
        return [clients[number].put("/api/issues/status", json={**body, "status": to}).status_code for to in changes]

    with ThreadPoolExecutor(WRITERS) as pool:
        codes = list(pool.map(write, range(WRITERS)))

    assert codes == [[200, 200, 200]] * WRITERS
    assert clients[0].call("GET", "/api/issues?status=resolved&limit=1", 200)["total"] == WRITERS


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_changes_to_different_issues_do_not_wait_for_each_other(world: World) -> None:
    """While one transaction has changed an issue and not committed, another issue with the same statuses is changed."""
    for name in ("Held", "Free"):
        world.given_issue(name, {"Contoso": "new", "Fabrikam": "new"})
    actor = command_line("test")
    with world.database.write() as tx:
        held = queries.get_issue_head(tx, actor, "Held", lock=True)
        company = get_company_by_name(tx, "Contoso")
        operations.set_status(tx, actor, held, company, Status.RESOLVED)

        tess = world.client("tess")
        body = {"issue_name": "Free", "company_name": "Contoso", "status": "resolved"}
        assert tess.put("/api/issues/status", json=body, timeout=2).status_code == 200
        assert tess.call("GET", "/api/issues?status=resolved&limit=9", 200)["total"] == 1
    assert tess.call("GET", "/api/issues?status=resolved&limit=9", 200)["total"] == 2
