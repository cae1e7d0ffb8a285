"""PUT and DELETE /api/issues/status (specification, “Update assignment status”; contract, sections 4 and 5)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import World

STATUS = "/api/issues/status"


@pytest.fixture
def wan(world: World) -> World:
    world.clock.freeze(datetime(2025, 1, 4, 10, 15, tzinfo=UTC))
    world.given_issue("Network degradation", {"Acme Manufacturing": "investigating"})
    world.clock.freeze(datetime(2025, 1, 9, 8, 45, tzinfo=UTC))
    return world


def change(issue: str = "Network degradation", company: str = "Acme Manufacturing", **more: Any) -> dict[str, Any]:
    return {"issue_name": issue, "company_name": company, "status": "resolved"} | more


def test_the_response_is_the_assignment_with_the_stored_names(wan: World) -> None:
    issue = wan.client().call("GET", "/api/issues/Network%20degradation", 200)
    response = wan.client().call("PUT", STATUS, 200, json=change(" NETWORK degradation", "acme MANUFACTURING "))

    assert response == {
        "assignment_id": issue["assignments"][0]["assignment_id"],
        "issue_id": issue["issue_id"],
        "company_id": wan.given_companies("Acme Manufacturing")["Acme Manufacturing"],
        "company_name": "Acme Manufacturing",
        "status": "resolved",
        "status_label": "Resolved",
        "updated_at": "2025-01-09T08:45:00+00:00",
        "updated_at_iso": "2025-01-09T08:45:00+00:00",
        "issue_name": "Network degradation",
    }
    read = wan.client().call("GET", "/api/issues/Network%20degradation", 200)
    assert read["assignments"] == [{name: value for name, value in response.items() if name != "issue_name"}]
    assert (read["created_at"], read["updated_at"]) == ("2025-01-04T10:15:00+00:00", "2025-01-09T08:45:00+00:00")


@decided_in_python
@pytest.mark.parametrize("form", ["in_progress", "In Progress", "IN-PROGRESS", "  in progress  ", "In_Progress"])
def test_a_status_is_accepted_in_other_spellings(wan: World, form: str) -> None:
    response = wan.client().call("PUT", STATUS, 200, json=change(status=form))
    assert (response["status"], response["status_label"]) == ("in_progress", "In progress")


@decided_in_python
@cases("status", ["done", "", "in progress!", None, 1, ["new"], "new,closed"])
def test_an_unknown_status_is_rejected(wan: World, status: Any) -> None:
    response = wan.client().call("PUT", STATUS, 400, json=change(status=status))
    assert [error["field"] for error in response["errors"]] == ["status"]
    assert wan.client().call("GET", "/api/issues?status=investigating", 200)["total"] == 1


def test_a_company_that_was_not_assigned_is_assigned(wan: World) -> None:
    response = wan.client().call("PUT", STATUS, 200, json=change(company="contoso", status="monitoring"))

    assert (response["company_name"], response["status"]) == ("Contoso", "monitoring")
    issue = wan.client().call("GET", "/api/issues/network%20degradation", 200)
    assert [m["company_name"] for m in issue["assignments"]] == ["Acme Manufacturing", "Contoso"]
    assert issue["updated_at"] == response["updated_at"]
    last = wan.history()[-1]
    assert (last.type, last.from_value, last.to_value) == ("assignment.created", None, "monitoring")


def test_setting_the_current_status_changes_no_time_and_records_no_event(wan: World) -> None:
    client = wan.client()
    before, events = client.call("GET", "/api/issues/Network%20degradation", 200), len(wan.history())

    response = client.call("PUT", STATUS, 200, json=change(status="investigating", note="again"))

    assert response["updated_at"] == "2025-01-04T10:15:00+00:00"
    assert client.call("GET", "/api/issues/Network%20degradation", 200) == before
    assert len(wan.history()) == events


def test_a_change_is_recorded_with_both_statuses_and_the_note(wan: World) -> None:
    wan.client("omar").call("PUT", STATUS, 200, json=change(note="  Carrier confirms  "))
    event = wan.history()[-1]
    assert (event.type, event.from_value, event.to_value) == ("assignment.status_changed", "investigating", "resolved")
    assert (event.actor_name, event.note, event.company_name) == (
        "Omar Reyes",
        "Carrier confirms",
        "Acme Manufacturing",
    )


@pytest.mark.parametrize(
    ("body", "missing"),
    [(change(issue="No such issue"), "No such issue"), (change(company="No such company"), "No such company")],
)
def test_an_unknown_issue_or_company_is_not_found(wan: World, body: dict[str, Any], missing: str) -> None:
    assert missing in wan.client().call("PUT", STATUS, 404, json=body)["detail"]
    assert wan.client().call("GET", "/api/issues?status=investigating", 200)["total"] == 1


@decided_in_python
@cases(
    ("body", "fields"),
    [
        ({}, ["issue_name", "company_name", "status"]),
        (change(note="x" * 2001), ["note"]),
        (change(colour="red"), ["colour"]),
        (change(issue=""), ["issue_name"]),
        (change(company=" "), ["company_name"]),
    ],
)
def test_an_invalid_body_names_its_fields(wan: World, body: dict[str, Any], fields: list[str]) -> None:
    response = wan.client().call("PUT", STATUS, 400, json=body)
    assert [error["field"] for error in response["errors"]] == fields


def test_an_archived_company_keeps_its_assignment_and_cannot_be_assigned(wan: World) -> None:
    ids = wan.given_companies("Acme Manufacturing", "Contoso")
    for company_id in ids.values():
        wan.client("ada").call("PUT", f"/api/companies/{company_id}", 200, json={"archived": True})

    assert wan.client().call("PUT", STATUS, 200, json=change())["status"] == "resolved"
    assert "archived" in wan.client().call("PUT", STATUS, 400, json=change(company="Contoso"))["detail"]
    assert wan.client().call("GET", "/api/issues?companyName=contoso", 200)["total"] == 0


def test_removing_a_company_deletes_its_assignment(wan: World) -> None:
    query = {"issueName": "NETWORK degradation", "companyName": " acme manufacturing"}

    wan.client().call("DELETE", STATUS, 204, params=query)

    issue = wan.client().call("GET", "/api/issues/Network%20degradation", 200)
    assert issue["assignments"] == []
    assert issue["updated_at"] == "2025-01-09T08:45:00+00:00"
    last = wan.history()[-1]
    assert (last.type, last.company_name, last.from_value) == (
        "assignment.deleted",
        "Acme Manufacturing",
        "investigating",
    )
    assert "not assigned" in wan.client().call("DELETE", STATUS, 404, params=query)["detail"]


def test_a_company_that_is_assigned_again_has_a_new_assignment(wan: World) -> None:
    first = wan.client().call("PUT", STATUS, 200, json=change())["assignment_id"]
    wan.client().call(
        "DELETE", STATUS, 204, params={"issueName": "Network degradation", "companyName": "Acme Manufacturing"}
    )
    assert wan.client().call("PUT", STATUS, 200, json=change())["assignment_id"] != first


@decided_in_python
@cases(
    ("query", "code"),
    [
        ("issueName=nothing&companyName=Contoso", 404),
        ("issueName=Network%20degradation&companyName=Nobody", 404),
        ("issueName=Network%20degradation&companyName=Contoso", 404),
        ("issueName=Network%20degradation", 422),
        ("companyName=Contoso", 422),
        ("issueName=&companyName=Contoso", 422),
        ("issueName=a&companyName=b&colour=red", 422),
    ],
)
def test_removing_a_company_requires_both_names(wan: World, query: str, code: int) -> None:
    wan.client().call("DELETE", f"{STATUS}?{query}", code)
    assert wan.client().call("GET", "/api/issues?status=investigating", 200)["total"] == 1
