"""What customers' programs rely on: they find every change, and read every page of a list once."""

from sqlalchemy import func, select

from issue_tracker.database.tables import updates
from tests.issues.test_portal import PORTAL, UPDATES
from tests.issues.test_times_of_assignments import undo
from tests.world import World


def test_a_restored_status_is_found_by_its_change(world: World) -> None:
    """An undo and a merge restore the earlier time of a status; a program that asks for changes must notice them."""
    world.given_customer("cara", "Contoso")
    world.given_issue("Shared", {"Contoso": "monitoring", "Fabrikam": "closed"})
    world.given_issue("Alone", {"Contoso": "resolved"})
    world.given_issue("Elsewhere", {"Fabrikam": "new"})
    cara, tess = world.client("cara"), world.client("tess")

    def changed_since(moment: str) -> dict[str, str]:
        found = cara.call("GET", PORTAL, 200, params={"updatedSince": moment})["items"]
        return {item["name"]: item["assignments"][0]["status"] for item in found}

    before = cara.call("GET", f"{PORTAL}/Shared", 200)
    world.clock.advance(minutes=1)
    closed = {"issue_name": "Shared", "company_name": "Contoso", "status": "closed"}
    tess.call("PUT", "/api/issues/status", 200, json=closed, headers={"X-Request-ID": "r"})
    world.clock.advance(minutes=1)
    polled = world.clock.now().isoformat()
    assert changed_since(polled) == {}
    world.clock.advance(minutes=1)
    undo(tess)
    assert cara.call("GET", f"{PORTAL}/Shared", 200) == before
    assert changed_since(polled) == {"Shared": "monitoring"}

    world.clock.advance(minutes=1)
    polled = world.clock.now().isoformat()
    tess.call("POST", "/api/issues/merge", 200, json={"issue_name": "Alone", "into": "Elsewhere"})
    assert changed_since(polled) == {"Elsewhere": "resolved"}


def test_pages_contain_every_update_once_also_those_of_the_same_time(world: World) -> None:
    world.given_customer("cara", "Contoso")
    world.given_issue("Shared", {"Contoso": "monitoring", "Fabrikam": "closed"})
    tess, cara = world.client("tess"), world.client("cara")
    for number in range(7):
        world.clock.advance(minutes=int(number in (1, 6)))
        update = {"issue_name": "Shared", "body": f"Text {number}", "public": True}
        tess.call("POST", "/api/updates", 201, json=update)
    with world.database.write() as tx:  # at the same moment
        at = select(func.max(updates.c.created_at)).where(updates.c.body == "Text 1").scalar_subquery()
        same = updates.c.body.in_([f"Text {number}" for number in range(1, 6)])
        tx.execute(updates.update().where(same).values(created_at=at))
    path, seen = f"{UPDATES}?limit=2", []
    while path:
        response = cara.get(path)
        assert response.json()["total"] == 7
        seen += [one["body"] for one in response.json()["items"]]
        path = response.links["next"]["url"] if "next" in response.links else ""
    assert seen == [f"Text {number}" for number in reversed(range(7))]
