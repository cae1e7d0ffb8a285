"""A client that synchronizes with `changedSince` misses no change, whatever happens at the same time (contract, 5)."""

import random
import threading
import time
from datetime import datetime
from typing import Any

import pytest

from issue_tracker.actor import command_line
from issue_tracker.companies.queries import get_company_by_name
from issue_tracker.events import order
from issue_tracker.issues.assignments import set_status
from issue_tracker.issues.operations import create_issue
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.names import parse_issue_name
from issue_tracker.status import Status
from tests.clients import Client
from tests.company_access.limits import limit, user_id
from tests.engines import decided_in_python
from tests.world import World

WRITERS = 6
CHANGES = 25


def listed(client: Client, **parameters: str) -> tuple[list[str], str]:
    """Returns the names in a list, and its position."""
    response = client.get("/api/issues", params=parameters)
    assert response.status_code == 200, response.text
    return [issue["name"] for issue in response.json()["items"]], response.headers["X-Sync-Position"]


def change(world: World, name: str, status: str = "closed", company: str = "Contoso") -> None:
    body = {"issue_name": name, "company_name": company, "status": status}
    world.client().call("PUT", "/api/issues/status", 200, json=body)


def test_only_issues_changed_since_the_position_are_listed(world: World) -> None:
    for name in ("One", "Two", "Three"):
        world.given_issue(name, {"Contoso": "new"})
    client = world.client("ada")
    names, position = listed(client)
    assert names == ["One", "Three", "Two"]
    assert listed(client, changedSince=position)[0] == []
    change(world, "Two")
    names, later = listed(client, changedSince=position)
    assert names == ["Two"] and later != position
    assert listed(client, changedSince=position)[0] == ["Two"]
    assert listed(client, changedSince=later)[0] == []
    client.call("PUT", "/api/issues/One", 200, json={"description": "new"})
    client.call("DELETE", "/api/issues/status?issueName=Three&companyName=Contoso", 204)
    client.call("POST", "/api/issues", 201, json={"name": "Four"})
    names, _ = listed(client, changedSince=later)
    assert names == ["Four", "One", "Three"]
    client.call("DELETE", "/api/issues/Four", 204)
    assert listed(client, changedSince=later)[0] == ["One", "Three"]


def test_an_issue_with_a_renamed_company_is_listed(world: World) -> None:
    world.given_issue("One", {"Contoso": "new"})
    world.given_issue("Two", {"Fabrikam": "new"})
    client = world.client("ada")
    _, position = listed(client)
    contoso = world.given_companies("Contoso")["Contoso"]
    client.call("PUT", f"/api/companies/{contoso}", 200, json={"name": "Contoso Ltd"})
    assert listed(client, changedSince=position)[0] == ["One"]


def test_an_issue_with_a_renamed_owner_is_listed(world: World) -> None:
    for name in ("One", "Two", "Three"):
        world.given_issue(name, {"Contoso": "new", "Fabrikam": "new"})
    limit(world, "Contoso", who="omar")
    client, omar = world.client("ada"), world.client("omar")
    owner = {"owner": "tess@helpdesk.example"}
    client.call("PUT", "/api/issues/One", 200, json=owner)
    for company, issue in (("Contoso", "Two"), ("Fabrikam", "Three")):
        body = {"issue_name": issue, "company_name": company, "status": "new"}
        client.call("PUT", "/api/issues/status", 200, json=body | owner)
    positions = [listed(one, include="details")[1] for one in (client, omar)]
    client.call("PUT", f"/api/users/{user_id(world, 'tess')}", 200, json={"name": "Tess Nguyen"})
    assert listed(client, changedSince=positions[0])[0] == ["One", "Three", "Two"]
    assert listed(omar, changedSince=positions[1])[0] == ["One", "Two"]
    _, position = listed(client)
    assert listed(client, changedSince=position)[0] == []


def test_it_combines_with_filters_order_paging_and_csv(world: World) -> None:
    for number in range(6):
        world.given_issue(f"Fault {number}", {"Contoso": "new", "Fabrikam": "closed"})
    client = world.client()
    _, position = listed(client)
    for number in (4, 1, 3):
        change(world, f"Fault {number}")
    change(world, "Fault 0", "monitoring", "Fabrikam")
    assert listed(client, changedSince=position, status="closed", companyName="Contoso")[0] == [
        "Fault 1",
        "Fault 3",
        "Fault 4",
    ]
    assert listed(client, changedSince=position, search="fault 4")[0] == ["Fault 4"]
    everything = ["Fault 0", "Fault 3", "Fault 1", "Fault 4"]
    assert listed(client, changedSince=position, sort="-updated_at")[0] == everything
    found: list[str] = []
    response = client.get("/api/issues", params={"changedSince": position, "sort": "-updated_at", "limit": "1"})
    while True:
        assert response.json()["total"] == 4
        found += [issue["name"] for issue in response.json()["items"]]
        if "next" not in response.links:
            break
        response = client.get(response.links["next"]["url"])
    assert found == everything
    csv = client.get("/api/issues", params={"changedSince": position, "format": "csv"})
    assert csv.headers["X-Sync-Position"] and len(csv.text.splitlines()) == 1 + 8


@decided_in_python
@pytest.mark.parametrize("position", ["x", "AAAA", "lAAAAKA", "ä", "1", "kw==", "lM0D6JAAoA"])
def test_an_invalid_position_is_rejected(world: World, position: str) -> None:
    response = world.client().get("/api/issues", params={"changedSince": position})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["changedSince"]


def test_a_position_of_another_history_is_rejected(world: World) -> None:
    """After a restore, the same numbers belong to other events."""
    world.given_issue("One", {"Contoso": "new"})
    _, position = listed(world.client())
    with world.database.write() as tx:
        tx.exec_driver_sql("UPDATE events SET request_id = 'another'")
    refused = world.client().get("/api/issues", params={"changedSince": position})
    assert refused.status_code == 422 and "before the database was restored" in refused.json()["detail"]


def test_limited_access_learns_nothing_about_other_companies(world: World) -> None:
    world.given_issue("One", {"Contoso": "new", "Fabrikam": "new"})
    limit(world, "Fabrikam")
    tess = world.client("tess")
    _, position = listed(tess)
    for company, expected in (("Contoso", []), ("Fabrikam", ["One"])):
        body = {"issue_name": "One", "company_name": company, "status": "closed"}
        world.client("ada").call("PUT", "/api/issues/status", 200, json=body)
        found, position = listed(tess, changedSince=position)
        assert found == expected
        assert tess.call("GET", f"/api/issues?changedSince={position}", 200)["total"] == 0


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_change_that_commits_late_is_found(world: World) -> None:
    """If writers overlap, the one that began first, with the earlier time, may commit last."""
    client, tests = world.client(), command_line("tests")
    _, position = listed(client)
    with world.database.write() as slow:
        create_issue(slow, tests, parse_issue_name("Late"), None)
        world.given_issue("Early")
        early = client.get("/api/issues", params={"changedSince": position})
        assert [issue["name"] for issue in early.json()["items"]] == ["Early"]
        seen = early.json()["items"][0]["updated_at"]
        between = early.headers["X-Sync-Position"]
    # Without an overlap the time is not sufficient: the late change has an earlier one.
    assert listed(client, updatedSince=seen)[0] == ["Early"]
    names, position = listed(client, changedSince=between)
    assert names == ["Late"]
    assert listed(client, changedSince=position)[0] == []


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_the_changes_of_a_long_transaction_are_found_after_many_commits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers are below all that a list searches for gaps."""
    monkeypatch.setattr(order, "WINDOW", 5)
    monkeypatch.setattr(order, "SHORT_SEARCH", 3)
    client, tests = world.client(), command_line("tests")
    _, position = listed(client)
    with world.database.write() as slow:
        for number in range(8):
            create_issue(slow, tests, parse_issue_name(f"Late {number}"), None)
        for number in range(12):
            world.given_issue(f"Early {number}")
            names, position = listed(client, changedSince=position)
            assert f"Early {number}" in names
    names, position = listed(client, changedSince=position)
    assert {f"Late {number}" for number in range(8)} <= set(names)
    # Once it has ended, positions are exact again.
    for _ in range(3):
        names, position = listed(client, changedSince=position)
    assert names == []


def test_a_synchronizing_client_misses_no_change_of_concurrent_writers(world: World) -> None:
    """In the end the client's copy contains every change of every writer, using only `changedSince`."""
    for number in range(WRITERS):
        world.given_issue(f"Shared {number}", {"Contoso": "new"})
    client = world.client()
    copy: dict[str, Any] = {}
    position = synchronize(client, copy, None)

    def write(writer: int) -> None:
        chance = random.Random(writer)
        tests = command_line("tests")
        for number in range(CHANGES):
            with world.database.write() as tx:
                create_issue(tx, tests, parse_issue_name(f"Issue {writer} {number}"), None)
                if world.engine == "postgresql":
                    time.sleep(chance.random() / 50)  # others commit in between
            with world.database.write() as tx:
                issue = get_issue_head(tx, tests, f"Shared {chance.randrange(WRITERS)}", lock=True)
                company = get_company_by_name(tx, tests, "Contoso")
                set_status(tx, tests, issue, company, chance.choice(list(Status)))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for thread in writers:
        thread.start()
    while any(thread.is_alive() for thread in writers):
        position = synchronize(client, copy, position)
    position = synchronize(client, copy, position)
    assert listed(client, changedSince=position)[0] == []
    whole = {issue["name"]: issue for issue in client.call("GET", "/api/issues", 200)["items"]}
    assert len(whole) == WRITERS * (CHANGES + 1) and copy == whole


def synchronize(client: Client, copy: dict[str, Any], position: str | None) -> str:
    """Updates the copy with the changes since the position, and returns the next position."""
    response = client.get("/api/issues", params={} if position is None else {"changedSince": position})
    assert response.status_code == 200, response.text
    for issue in response.json()["items"]:
        previous = copy.get(issue["name"])
        assert previous is None or datetime.fromisoformat(previous["updated_at"]) <= datetime.fromisoformat(
            issue["updated_at"]
        )
        copy[issue["name"]] = issue
    return response.headers["X-Sync-Position"]
