"""PUT /api/issues/{issue_name} (specification, “Update an issue”; contract, section 4)."""

from typing import Any

import pytest

from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import World

WAN = "/api/issues/network%20degradation"


@pytest.fixture
def wan(world: World) -> World:
    world.given_issue("Network degradation", {"Contoso": "investigating", "Fabrikam": "new"}, "Packet loss")
    return world


def statuses(issue: dict[str, Any]) -> dict[str, str]:
    return {member["company_name"]: member["status"] for member in issue["assignments"]}


def test_a_description_is_changed_alone(wan: World) -> None:
    response = wan.client().call("PUT", WAN, 200, json={"description": "  Loss on all links\n"})

    assert response["description"] == "Loss on all links"
    assert response["name"] == "Network degradation"
    assert statuses(response) == {"Contoso": "investigating", "Fabrikam": "new"}
    assert wan.client().call("GET", WAN, 200) == response


@cases("body", [{}, {"description": None}, {"new_name": None, "add_companies": None}])
def test_an_absent_or_null_field_is_left_unchanged(wan: World, body: dict[str, Any]) -> None:
    before = wan.client().call("GET", WAN, 200)
    events = len(wan.history())

    assert wan.client().call("PUT", WAN, 200, json=body) == before
    assert wan.client().call("GET", WAN, 200) == before
    assert len(wan.history()) == events


@pytest.mark.parametrize("empty", ["", "   ", "\n"])
def test_an_empty_description_clears_it(wan: World, empty: str) -> None:
    assert wan.client().call("PUT", WAN, 200, json={"description": empty})["description"] is None
    assert wan.client().call("GET", WAN, 200)["description"] is None


def test_an_issue_is_renamed(wan: World) -> None:
    client = wan.client()
    before = client.call("GET", WAN, 200)

    response = client.call("PUT", WAN, 200, json={"new_name": "  WAN outage "})

    assert response["name"] == "WAN outage"
    assert response["issue_id"] == before["issue_id"]
    assert response["created_at"] == before["created_at"]
    assert client.call("GET", "/api/issues/wan%20OUTAGE", 200) == response
    assert client.call("GET", WAN, 200) == response, "a former name leads on (contract, section 13)"
    (event,) = [event for event in wan.history() if event.type == "issue.updated"]
    assert (event.from_value, event.to_value, event.issue_name) == ("Network degradation", "WAN outage", "WAN outage")


def test_a_name_can_be_changed_only_in_case(wan: World) -> None:
    response = wan.client().call("PUT", WAN, 200, json={"new_name": "NETWORK Degradation"})
    assert response["name"] == "NETWORK Degradation"
    assert wan.client().call("GET", WAN, 200)["name"] == "NETWORK Degradation"


def test_renaming_to_the_current_name_changes_nothing(wan: World) -> None:
    before = wan.client().call("GET", WAN, 200)
    assert wan.client().call("PUT", WAN, 200, json={"new_name": "Network degradation"}) == before
    assert "issue.updated" not in [event.type for event in wan.history()]


def test_the_name_of_another_issue_is_rejected_regardless_of_case(wan: World) -> None:
    wan.given_issue("Straße")
    before = wan.client().call("GET", WAN, 200)

    response = wan.client().call("PUT", WAN, 400, json={"new_name": "STRASSE", "description": "never written"})

    assert response["errors"][0]["field"] == "new_name"
    assert wan.client().call("GET", WAN, 200) == before


def test_added_companies_are_assigned_and_others_keep_their_status(wan: World) -> None:
    add = [{"company_name": "ACME manufacturing", "status": "Monitoring"}, {"company_name": "contoso"}]
    response = wan.client().call("PUT", WAN, 200, json={"add_companies": add})
    assert statuses(response) == {"Acme Manufacturing": "monitoring", "Contoso": "investigating", "Fabrikam": "new"}
    assert wan.client().call("GET", WAN, 200) == response


def test_an_assigned_company_gets_a_given_status(wan: World) -> None:
    before = wan.client().call("GET", WAN, 200)["assignments"]
    add = [{"company_name": "Contoso", "status": "resolved"}, {"company_name": "Fabrikam", "status": "new"}]

    response = wan.client().call("PUT", WAN, 200, json={"add_companies": add})

    assert statuses(response) == {"Contoso": "resolved", "Fabrikam": "new"}
    assert [m["assignment_id"] for m in response["assignments"]] == [m["assignment_id"] for m in before]
    assert response["assignments"][1] == before[1]
    (event,) = [event for event in wan.history() if event.type == "assignment.status_changed"]
    assert (event.company_name, event.from_value, event.to_value) == ("Contoso", "investigating", "resolved")


def test_an_update_is_all_or_nothing(wan: World) -> None:
    before = wan.client().call("GET", WAN, 200)
    body = {"description": "never", "new_name": "Never", "add_companies": [{"company_name": "Nobody"}]}

    assert "“Nobody”" in wan.client().call("PUT", WAN, 404, json=body)["detail"]
    assert wan.client().call("GET", WAN, 200) == before
    assert len(wan.history()) == 3


def test_a_company_listed_twice_is_refused(wan: World) -> None:
    twice = {"add_companies": [{"company_name": "Contoso"}, {"company_name": " CONTOSO "}]}
    response = wan.client().call("PUT", WAN, 400, json=twice)
    assert response["errors"][0]["field"] == "add_companies[1].company_name"


def test_an_unknown_issue_is_not_found(world: World) -> None:
    response = world.client().call("PUT", "/api/issues/No%20such%20issue", 404, json={"description": "x"})
    assert "No such issue" in response["detail"]


@decided_in_python
@cases(
    ("body", "field"),
    [
        ({"new_name": ""}, "new_name"),
        ({"new_name": "  "}, "new_name"),
        ({"new_name": "x" * 256}, "new_name"),
        ({"new_name": "a\u0007b"}, "new_name"),
        ({"new_name": "Status"}, "new_name"),
        ({"new_name": ".."}, "new_name"),
        ({"new_name": 7}, "new_name"),
        ({"name": "x"}, "name"),
        ({"description": "x" * 10_001}, "description"),
        ({"description": 7}, "description"),
        ({"add_companies": "Contoso"}, "add_companies"),
        ({"add_companies": ["Contoso"]}, "add_companies[0]"),
        ({"add_companies": [{}]}, "add_companies[0].company_name"),
        ({"add_companies": [{"company_name": "Contoso", "status": "done"}]}, "add_companies[0].status"),
        ({"add_companies": [{"company_name": "Contoso", "state": "new"}]}, "add_companies[0].state"),
    ],
)
def test_an_invalid_body_names_its_field(wan: World, body: dict[str, Any], field: str) -> None:
    before = wan.client().call("GET", WAN, 200)
    response = wan.client().call("PUT", WAN, 400, json=body)
    assert [error["field"] for error in response["errors"]] == [field]
    assert wan.client().call("GET", WAN, 200) == before


@decided_in_python
def test_the_body_is_validated_before_the_issue_is_looked_up(world: World) -> None:
    world.client().call("PUT", "/api/issues/nothing", 400, json={"colour": "red"})


@decided_in_python
def test_an_unknown_owner_comes_before_what_cannot_be_found_or_has_changed(wan: World) -> None:
    """The order is that of the contract, section 2: 400, 404, 412."""
    tess = wan.client()
    owner, stale = {"owner": "nobody@helpdesk.example"}, {"If-Match": '"0-0"'}
    status = {"issue_name": "Network degradation", "company_name": "Contoso", "status": "new"}
    for method, path, body in (
        ("POST", "/api/issues", {"name": "New", "companies": [{"company_name": "Nobody"}]}),
        ("PUT", "/api/issues/Nothing", {}),
        ("PUT", WAN, {"add_companies": [{"company_name": "Nobody"}]}),
        ("PUT", WAN, {}),
        ("PUT", "/api/issues/status", status | {"issue_name": "Nothing"}),
        ("PUT", "/api/issues/status", status | {"company_name": "Nobody"}),
        ("PUT", "/api/issues/status", status),
    ):
        refused = tess.call(method, path, 400, json=body | owner, headers=stale if method == "PUT" else {})
        assert [error["field"] for error in refused["errors"]] == ["owner"], (method, path, body)
