"""Three times of an assignment: affected since, in this status since, last changed (contract, section 13)."""

from typing import Any

import pytest

from tests.clients import Client
from tests.world import World


@pytest.fixture
def tess(world: World) -> Client:
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "resolved"})
    return world.client("tess")


def move(client: Client, status: str, company: str = "Contoso", request_id: str = "r") -> None:
    body = {"issue_name": "Fault", "company_name": company, "status": status}
    client.call("PUT", "/api/issues/status", 200, json=body, headers={"X-Request-ID": request_id})


def times(client: Client) -> dict[str, tuple[str, Any]]:
    found = client.call("GET", "/api/issues/Fault?include=details", 200)["assignments"]
    return {one["company_name"]: (one["updated_at"], one["affected_since"]) for one in found}


def since(client: Client, world: World) -> str:
    """Returns the time since which Contoso has its status, as the page of the issue shows it."""
    issue_id = client.call("GET", "/api/issues/Fault", 200)["issue_id"]
    row = client.get(f"/issues/{issue_id}").text.partition(f'data-on="{issue_id}-')[2]
    return row.partition('<time datetime="')[2].partition('"')[0]


def undo(client: Client, request_id: str = "r") -> Any:
    form = {"request_id": request_id, "next": "/"}
    return client.post("/undo", data=form, headers={"Accept": "application/json"}).json()


def test_an_outage_continues_while_the_company_is_open(world: World, tess: Client) -> None:
    start = times(tess)["Contoso"]
    assert start[0] == start[1] and times(tess)["Fabrikam"][1] is None
    for status, affected in (("investigating", True), ("monitoring", True), ("closed", False), ("resolved", False)):
        world.clock.advance(minutes=1)
        move(tess, status)
        updated, affected_since = times(tess)["Contoso"]
        assert updated > start[0] and affected_since == (start[1] if affected else None)
    world.clock.advance(minutes=1)
    move(tess, "investigating")
    updated, affected_since = times(tess)["Contoso"]
    assert affected_since == updated > start[1]


def test_an_undo_restores_the_times(world: World, tess: Client) -> None:
    world.clock.advance(minutes=1)
    move(tess, "investigating")
    before, shown = times(tess)["Contoso"], since(tess, world)
    for status in ("resolved", "in_progress"):
        world.clock.advance(minutes=1)
        move(tess, status, request_id=f"to-{status}")
        world.clock.advance(minutes=1)
        assert undo(tess, f"to-{status}")["changed"][0]["at"] == shown
        updated, affected_since = times(tess)["Contoso"]
        assert affected_since == before[1] and updated > before[0] and since(tess, world) == shown
        event = tess.call("GET", "/api/events?limit=1", 200)["items"][0]
        assert (event["undoes"], event["to"]) == (f"to-{status}", "investigating")
        assert "(undone)" in tess.get("/activity").text
    assert tess.call("GET", "/api/events?requestId=to-resolved", 200)["items"][0]["undoes"] is None


def test_an_assignment_and_a_removal_can_be_undone(world: World, tess: Client) -> None:
    move(tess, "new", "O’Neill’s Bar", "added")
    assert undo(tess, "added")["changed"][0]["status"] is None
    assert "O’Neill’s Bar" not in times(tess)
    before = times(tess)["Contoso"]
    world.clock.advance(minutes=1)
    query = {"issueName": "Fault", "companyName": "Contoso"}
    tess.call("DELETE", "/api/issues/status", 204, params=query, headers={"X-Request-ID": "removed"})
    assert "Contoso" not in times(tess)
    world.clock.advance(minutes=1)
    assert undo(tess, "removed")["changed"][0]["status"] == "new"
    assert times(tess)["Contoso"][1] == before[1]
    assert undo(tess, "removed")["changed"] == []
