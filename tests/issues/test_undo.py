"""Which changes an undo reverts, and which it leaves because another request has changed the assignment since."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from issue_tracker.actor import command_line
from issue_tracker.companies.operations import update_company
from issue_tracker.companies.queries import lock_company
from issue_tracker.database.tables import events
from issue_tracker.invariants.checker import check
from issue_tracker.names import Name
from tests.clients import Client
from tests.company_access.limits import limit, user_id
from tests.locks import during
from tests.world import World


@pytest.fixture
def tess(world: World) -> Client:
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "new"})
    return world.client("tess")


def move(client: Client, status: str, request_id: str, company: str = "Contoso", **more: Any) -> None:
    body = {"issue_name": "Fault", "company_name": company, "status": status, **more}
    client.call("PUT", "/api/issues/status", 200, json=body, headers={"X-Request-ID": request_id})


def remove(client: Client, request_id: str, company: str = "Contoso") -> None:
    query = {"issueName": "Fault", "companyName": company}
    client.call("DELETE", "/api/issues/status", 204, params=query, headers={"X-Request-ID": request_id})


def undo(client: Client, request_id: str, own: str | None = None) -> str:
    """Undoes a request, by default under the id `undo-<id>`, and returns the sentence about it."""
    headers = {"Accept": "application/json", "X-Request-ID": own or f"undo-{request_id}"}
    answer = client.post("/undo", data={"request_id": request_id}, headers=headers).json()
    return str(answer.get("text") or answer["detail"])


def status_of(client: Client, company: str = "Contoso") -> str | None:
    found = client.call("GET", "/api/issues/Fault", 200)["assignments"]
    return next((one["status"] for one in found if one["company_name"] == company), None)


def test_an_undo_leaves_what_others_changed_and_changed_back(world: World, tess: Client) -> None:
    omar = world.client("omar")
    move(tess, "resolved", "finished")
    move(omar, "investigating", "reopened")
    move(omar, "resolved", "finished-again")
    assert undo(tess, "finished") == "Omar Reyes has changed it since; nothing was undone."
    assert status_of(tess) == "resolved"
    move(tess, "new", "assigned", "O’Neill’s Bar")
    remove(omar, "removed", "O’Neill’s Bar")
    move(omar, "new", "assigned-again", "O’Neill’s Bar")
    assert undo(tess, "assigned") == "Omar Reyes has changed it since; nothing was undone."
    assert status_of(tess, "O’Neill’s Bar") == "new"


def test_an_undo_leaves_what_others_undid_and_restored(world: World, tess: Client) -> None:
    omar = world.client("omar")
    move(tess, "investigating", "moved")
    remove(tess, "removed", "Fabrikam")
    move(omar, "resolved", "finished")
    move(omar, "monitoring", "assigned", "Fabrikam")
    for request_id in ("finished", "assigned", "undo-finished", "undo-assigned"):
        assert undo(omar, request_id) == "1 undone."
    [event] = tess.call("GET", "/api/events?requestId=undo-assigned", 200)["items"]
    assert (event["type"], event["undoes"]) == ("assignment.deleted", "assigned")
    for request_id in ("moved", "removed"):
        assert undo(tess, request_id) == "Omar Reyes has changed it since; nothing was undone."
    assert (status_of(tess), status_of(tess, "Fabrikam")) == ("resolved", "monitoring")


def test_an_undo_leaves_an_assignment_that_others_have_added_to(world: World, tess: Client) -> None:
    move(tess, "new", "assigned", "O’Neill’s Bar")
    ticket = [{"system": "PSA", "key": "T-1"}]
    move(world.client("omar"), "new", "owned", "O’Neill’s Bar", references=ticket)
    assert undo(tess, "assigned") == "Omar Reyes has changed it since; nothing was undone."
    assert status_of(tess, "O’Neill’s Bar") == "new"
    # The owner and the references of an assignment survive a change of its status, and therefore do not prevent it.
    move(tess, "resolved", "finished", "O’Neill’s Bar")
    move(world.client("omar"), "resolved", "changed", "O’Neill’s Bar", references=[])
    assert undo(tess, "finished") == "1 undone."
    assert status_of(tess, "O’Neill’s Bar") == "new"


def test_an_undo_leaves_the_companies_of_an_issue_that_was_merged_since(world: World, tess: Client) -> None:
    """The merge records no change of an assignment whose status the other issue agrees with."""
    world.given_issue("Same fault", {"Contoso": "investigating", "O’Neill’s Bar": "new"})
    move(tess, "resolved", "finished")
    move(tess, "investigating", "reopened")
    move(tess, "new", "assigned", "O’Neill’s Bar")
    move(tess, "monitoring", "moved", "Fabrikam")
    body = {"issue_name": "Same fault", "into": "Fault"}
    world.client("omar").call("POST", "/api/issues/merge", 200, json=body)
    # The company that was assigned gets the earlier start of its outage from the other issue.
    for request_id, what in (("reopened", "It has been changed"), ("assigned", "Omar Reyes has changed it")):
        assert undo(tess, request_id) == f"{what} since; nothing was undone."
    assert (status_of(tess), status_of(tess, "O’Neill’s Bar")) == ("investigating", "new")
    assert undo(tess, "moved") == "1 undone."
    move(tess, "resolved", "after-the-merge")
    assert undo(tess, "after-the-merge") == "1 undone."


def test_a_second_undo_says_that_the_change_has_already_been_undone(world: World, tess: Client) -> None:
    move(tess, "resolved", "finished")
    assert undo(tess, "finished") == "1 undone."
    assert undo(tess, "finished", "again") == "This change has already been undone."
    move(tess, "new", "assigned", "Fabrikam")
    move(tess, "closed", "closed", "Fabrikam")
    assert undo(tess, "closed") == "1 undone."
    move(world.client("omar"), "monitoring", "by-omar", "Fabrikam")
    assert undo(tess, "closed", "late") == "Omar Reyes has changed it since; nothing was undone."


def test_changes_that_were_undone_do_not_prevent_an_undo(world: World, tess: Client) -> None:
    omar = world.client("omar")
    move(tess, "investigating", "first")
    move(omar, "in_progress", "second")
    move(tess, "resolved", "third")
    assert undo(tess, "first") == "You have changed it since; nothing was undone."
    assert undo(tess, "third") == "1 undone."
    assert undo(omar, "second") == "1 undone."
    assert undo(tess, "first") == "1 undone."
    assert status_of(tess) == "new"
    assert undo(tess, "undo-first") == "1 undone."
    assert status_of(tess) == "investigating"


def test_requests_with_the_same_id_are_undone_one_by_one(world: World, tess: Client) -> None:
    """As a proxy or a script may send one id with all of its requests."""
    shared = {"Accept": "application/json", "X-Request-ID": "shared"}
    issue, ids = tess.call("GET", "/api/issues/Fault", 200)["issue_id"], world.given_companies("Contoso", "Fabrikam")

    def change(company: str, status: str) -> str:
        form = {"on": f"{issue}-{ids[company]}", "status": status, "single": "1"}
        return str(tess.post("/assignments/bulk", data=form, headers=shared).json()["undo"])

    first = change("Contoso", "investigating")
    second = change("Fabrikam", "resolved")
    third = change("Contoso", "in_progress")
    assert undo(tess, first, "shared") == "You have changed it since; nothing was undone."
    assert undo(tess, second, "shared") == "1 undone."
    assert (status_of(tess), status_of(tess, "Fabrikam")) == ("in_progress", "new")
    assert undo(tess, third, "shared") == undo(tess, first, "shared") == "1 undone."
    assert status_of(tess) == "new"
    assert undo(tess, f"{first}0", "none") == undo(tess, "shared#x", "none") == "There is nothing left to undo."

    # The id alone means the last request. This one also records where the changes that it undoes came from.
    move(tess, "closed", "script")
    move(tess, "monitoring", "script", "Fabrikam")
    assert undo(tess, "script") == "1 undone."
    assert (status_of(tess), status_of(tess, "Fabrikam")) == ("closed", "new")
    [event] = tess.call("GET", "/api/events?requestId=undo-script", 200)["items"]
    assert (event["company_name"], event["undoes"]) == ("Fabrikam", "script")


def test_undone_requests_with_the_same_id_agree_with_the_history(world: World, tess: Client) -> None:
    omar = world.client("omar")
    move(tess, "investigating", "shared")
    undone = _undo_id(world)
    move(omar, "new", "back")
    move(tess, "investigating", "shared")
    for client, request_id in ((tess, "shared"), (omar, "back"), (tess, undone)):
        assert undo(client, request_id, f"undo-{request_id.replace('#', '-')}") == "1 undone."
    assert status_of(tess) == "new"
    found = check(world.database, command_line("tests"), longest_transaction=timedelta(0))
    assert list(found) == []


def _undo_id(world: World) -> str:
    """Returns what a page would offer to undo after the last change."""
    with world.database.read() as tx:
        last = tx.execute(select(events).order_by(events.c.event_id.desc()).limit(1)).one()
    return f"{last.request_id}#{last.request_number}"


def test_changes_that_cancel_each_other_out_in_a_request_are_not_half_undone(world: World, tess: Client) -> None:
    move(tess, "resolved", "both")
    move(tess, "new", "both")
    # Programs until now recorded such changes for a message in which one alert was over and another one fired.
    with world.database.write() as tx:
        tx.execute(update(events).where(events.c.request_id == "both").values(request_number=1))
    assert undo(tess, "both") == "There is nothing left to undo."
    assert status_of(tess) == "new"


def test_a_limited_user_undoes_the_removal_of_the_last_visible_company(world: World, tess: Client) -> None:
    limit(world, "Contoso")
    remove(tess, "removed")
    tess.call("GET", "/api/issues/Fault", 404)
    assert undo(tess, "removed") == "1 undone."
    assert status_of(tess) == "new"
    remove(tess, "removed-again")
    world.client("ada").call("DELETE", "/api/issues/Fault", 204)
    assert undo(tess, "removed-again") == "It has been changed since; nothing was undone."


def test_an_undo_leaves_out_companies_that_were_archived_since(world: World, tess: Client) -> None:
    world.given_issue("Outage", {"Contoso": "new"})
    ids = world.given_companies("Contoso", "Fabrikam")
    faults = [f"{tess.call('GET', f'/api/issues/{name}', 200)['issue_id']}" for name in ("Fault", "Outage")]

    def remove_all(request_id: str, *places: str) -> None:
        form = {"on": list(places), "status": "none", "note": "Sold"}
        removed = tess.post("/assignments/bulk", data=form, headers={"X-Request-ID": request_id})
        assert removed.status_code == 303, removed.text

    def archive(name: str, archived: bool) -> None:
        world.client("ada").call("PUT", f"/api/companies/{ids[name]}", 200, json={"archived": archived})

    contoso, fabrikam = f"{faults[0]}-{ids['Contoso']}", f"{faults[0]}-{ids['Fabrikam']}"
    remove_all("removed", contoso, fabrikam, f"{faults[1]}-{ids['Contoso']}")
    found = tess.call("GET", "/api/events?requestId=removed", 200)["items"]
    assert [(event["type"], event["note"]) for event in found] == [("assignment.deleted", "Sold")] * 3
    archive("Contoso", True)
    assert undo(tess, "removed") == "1 undone, 2 left because “Contoso” is archived."
    assert (status_of(tess), status_of(tess, "Fabrikam")) == (None, "new")
    assert undo(tess, "removed", "again") == (
        "0 undone, 1 left because it has been changed since, 2 left because “Contoso” is archived."
    )
    archive("Contoso", False)
    assert undo(tess, "removed", "later") == "2 undone, 1 left because it has been changed since."
    assert status_of(tess) == "new"

    remove_all("both", contoso, fabrikam)
    archive("Contoso", True)
    archive("Fabrikam", True)
    assert undo(tess, "both") == "The companies are archived; nothing was undone."
    # An archived company keeps its assignments, so that a change of their statuses can be undone.
    archive("Fabrikam", False)
    assert undo(tess, "both", "half") == "1 undone, 1 left because “Contoso” is archived."
    move(tess, "resolved", "finished", "Fabrikam")
    archive("Fabrikam", True)
    assert undo(tess, "finished") == "1 undone."


def test_an_undo_waits_for_a_company_that_is_being_archived(world: World, tess: Client) -> None:
    outage = world.given_issue("Outage", {"Contoso": "new", "Fabrikam": "new"})
    fault, ids = tess.call("GET", "/api/issues/Fault", 200)["issue_id"], world.given_companies("Contoso", "Fabrikam")
    form = {"on": [f"{fault}-{ids['Contoso']}", f"{outage}-{ids['Fabrikam']}"], "status": "none"}
    tess.call("POST", "/assignments/bulk", 303, data=form, headers={"X-Request-ID": "removed"})
    admin, contoso = command_line("tests"), ids["Contoso"]
    sentence = during(
        world,
        lambda tx: lock_company(tx, admin, contoso),
        lambda: undo(tess, "removed"),
        # The new name locks the issue that still has the company, which the undo changes, too.
        lambda tx: update_company(tx, admin, contoso, name=Name("Contoso Ltd"), archived=True),
    )
    assert sentence == "1 undone, 1 left because “Contoso Ltd” is archived."
    assert len(tess.call("GET", "/api/issues/Outage", 200)["assignments"]) == 2


def test_an_undo_restores_the_owner_and_the_references_of_a_removed_company(world: World, tess: Client) -> None:
    def details(company: str = "Contoso") -> tuple[Any, Any]:
        found = tess.call("GET", "/api/issues/Fault?include=details", 200)["assignments"]
        [one] = [one for one in found if one["company_name"] == company]
        return one["owner"] and one["owner"]["name"], [reference["key"] for reference in one["references"]]

    first, second = ({"system": "PSA", "key": key} for key in ("T-1", "T-2"))
    move(tess, "new", "earlier", references=[first], owner="ada@helpdesk.example")
    remove(tess, "earlier-removal")
    move(tess, "new", "again")
    move(tess, "new", "owned", references=[first, second], owner="omar@helpdesk.example")
    move(tess, "new", "reduced", references=[second])
    remove(tess, "removed")
    assert undo(tess, "removed") == "1 undone."
    assert details() == ("Omar Reyes", ["T-2"])
    assert tess.call("GET", "/api/issues?reference=T-2", 200)["total"] == 1
    found = tess.call("GET", "/api/events?requestId=undo-removed", 200)["items"]
    assert [one["type"].partition(".")[2] for one in found] == ["updated", "updated", "created"]
    assert {one["undoes"] for one in found} == {"removed"}

    world.client("ada").call("PUT", f"/api/users/{user_id(world, 'omar')}", 200, json={"active": False})
    assert undo(tess, "undo-removed", "removed-again") == "1 undone."
    assert undo(tess, "removed-again") == "1 undone."
    assert details() == (None, ["T-2"])
    move(tess, "new", "cleared", references=None)
    remove(tess, "removed-empty")
    assert undo(tess, "removed-empty") == "1 undone."
    assert details() == (None, [])
