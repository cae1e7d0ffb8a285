"""The severity of an issue (contract, section 13)."""

from typing import Any

import pytest

from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import World

FAULT = "/api/issues/Fault"


def severities(world: World) -> set[str | None]:
    """Returns the severity from every kind of read."""
    client = world.client()
    listed = client.call("GET", "/api/issues", 200)["items"] + client.call("GET", "/api/issues?limit=1", 200)["items"]
    filtered = client.call("GET", "/api/issues?status=new", 200)["items"]
    return {issue["severity"] for issue in (client.call("GET", FAULT, 200), *listed, *filtered)}


def changes(world: World) -> list[tuple[str | None, str | None]]:
    """Returns the changes of the severity in the history."""
    found = world.client().call("GET", "/api/events?type=issue.updated", 200)["items"]
    return [(event["from"], event["to"]) for event in reversed(found) if event["field"] == "severity"]


@pytest.mark.parametrize("given", [{}, {"severity": None}, {"severity": "low"}, {"severity": "critical"}])
def test_an_issue_can_be_created_with_or_without_a_severity(world: World, given: dict[str, Any]) -> None:
    body = {"name": "Fault", "companies": [{"company_name": "Contoso"}], **given}
    made = world.client().call("POST", "/api/issues", 201, json=body)
    assert made["severity"] == given.get("severity")
    assert severities(world) == {given.get("severity")} and changes(world) == []


def test_a_severity_can_be_changed_left_unchanged_and_cleared(world: World) -> None:
    world.given_issue("Fault", {"Contoso": "new"})
    client = world.client()
    for given, expected in (
        ({"severity": "high"}, "high"),
        ({}, "high"),
        ({"description": "x"}, "high"),
        ({"severity": "high"}, "high"),
        ({"severity": "medium"}, "medium"),
        ({"severity": None}, None),
        ({"severity": None}, None),
    ):
        assert client.call("PUT", FAULT, 200, json=given)["severity"] == expected
        assert severities(world) == {expected}
    assert changes(world) == [(None, "high"), ("high", "medium"), ("medium", None)]


def test_setting_the_current_severity_changes_nothing(world: World) -> None:
    world.given_issue("Fault", {"Contoso": "new"})
    client = world.client()
    client.call("PUT", FAULT, 200, json={"severity": "low"})
    before = client.get(FAULT)
    client.call("PUT", FAULT, 200, json={"severity": "low"})
    after = client.get(FAULT)
    assert (after.json(), after.headers["ETag"]) == (before.json(), before.headers["ETag"])


@decided_in_python
@cases("severity", ["urgent", "LOW", "", 1, True, [], {}])
def test_an_invalid_severity_is_rejected(world: World, severity: Any) -> None:
    world.empty_issues()
    world.given_issue("Fault", {"Contoso": "new"})
    client = world.client()
    for method, path, body in (("PUT", FAULT, {}), ("POST", "/api/issues", {"name": "Other"})):
        refused = client.call(method, path, 400, json={**body, "severity": severity})
        assert [error["field"] for error in refused["errors"]] == ["severity"]
    assert severities(world) == {None}
    assert client.call("GET", "/api/issues", 200)["total"] == 1


def test_pages_set_and_show_the_severity(world: World) -> None:
    client = world.client()
    form = {"name": "Fault", "companies": "Contoso", "status": "new", "severity": "high"}
    created = client.post("/issues/new", data=form)
    page = created.headers["Location"]
    assert "Severity <strong>High</strong>" in client.get(page).text and "Severity High" in client.get("/").text
    seen = {"seen_name": "Fault", "seen_description": "", "seen_fields": '{"severity": "high"}'}
    edited = {**seen, "name": "Fault", "description": "", "severity": ""}
    assert client.post(f"{page}/edit", data=edited).status_code == 303
    text = client.get(page).text
    assert "Severity <strong>" not in text and "cleared the severity" in text
    # A user who still sees the old severity does not overwrite the new one.
    late = client.post(f"{page}/edit", data={**edited, "severity": "low"})
    assert late.status_code == 409 and severities(world) == {None}
