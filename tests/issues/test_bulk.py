"""POST /api/issues/status/bulk (contract, section 5)."""

from typing import Any

import pytest

from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import World

BULK = "/api/issues/status/bulk"


@pytest.fixture
def outage(world: World) -> World:
    members = {
        "Acme Manufacturing": "new",
        "Contoso": "investigating",
        "Fabrikam": "resolved",
        "Zürich (Nord)": "closed",
    }
    world.given_issue("Outage", members)
    return world


def bulk(world: World, expected: int = 200, **body: Any) -> dict[str, Any]:
    """The JSON body of the response. `from` is a keyword of Python, so it is passed as `from_`."""
    sent = {"issue_name": "outage"} | {name.rstrip("_"): value for name, value in body.items()}
    response: dict[str, Any] = world.client().call("POST", BULK, expected, json=sent)
    return response


def outcomes(response: dict[str, Any]) -> dict[str, tuple[str, str | None, str | None]]:
    return {row["company_name"]: (row["outcome"], row["from"], row["to"]) for row in response["results"]}


def stored(world: World) -> dict[str, str]:
    issue = world.client().call("GET", "/api/issues/outage", 200)
    return {member["company_name"]: member["status"] for member in issue["assignments"]}


def test_all_assigned_companies_except_closed_ones_change(outage: World) -> None:
    response = bulk(outage, status="Resolved")

    assert (response["issue_name"], response["status"], response["changed"]) == ("Outage", "resolved", 2)
    assert outcomes(response) == {
        "Acme Manufacturing": ("changed", "new", "resolved"),
        "Contoso": ("changed", "investigating", "resolved"),
        "Fabrikam": ("unchanged", "resolved", "resolved"),
        "Zürich (Nord)": ("skipped", "closed", "closed"),
    }
    assert stored(outage) == {
        "Acme Manufacturing": "resolved",
        "Contoso": "resolved",
        "Fabrikam": "resolved",
        "Zürich (Nord)": "closed",
    }


def test_from_selects_statuses_including_closed(outage: World) -> None:
    response = bulk(outage, status="monitoring", from_=["Closed", "new"])
    assert response["changed"] == 2
    assert stored(outage) == {
        "Acme Manufacturing": "monitoring",
        "Contoso": "investigating",
        "Fabrikam": "resolved",
        "Zürich (Nord)": "monitoring",
    }


def test_excluded_companies_are_skipped(outage: World) -> None:
    response = bulk(outage, status="in progress", exclude=["CONTOSO"])
    assert outcomes(response)["Contoso"] == ("skipped", "investigating", "investigating")
    assert stored(outage)["Contoso"] == "investigating"
    assert stored(outage)["Acme Manufacturing"] == "in_progress"


def test_only_listed_companies_change_and_new_ones_are_assigned(outage: World) -> None:
    response = bulk(outage, status="monitoring", companies=["contoso", "müller & söhne"], note="Router replaced")

    assert outcomes(response) == {
        "Contoso": ("changed", "investigating", "monitoring"),
        "Müller & Söhne": ("changed", None, "monitoring"),
    }
    assert stored(outage)["Müller & Söhne"] == stored(outage)["Contoso"] == "monitoring"
    assert stored(outage)["Acme Manufacturing"] == "new"
    assert {event.note for event in outage.history()[-2:]} == {"Router replaced"}


def test_all_events_of_a_bulk_change_share_one_request_id(outage: World) -> None:
    before = len(outage.history())
    bulk(outage, status="monitoring")
    recorded = outage.history()[before:]
    assert [event.type for event in recorded] == ["assignment.status_changed"] * 3
    assert len({event.request_id for event in recorded}) == 1


def test_a_dry_run_returns_the_same_response_and_changes_nothing(outage: World) -> None:
    before, events = outage.client().call("GET", "/api/issues/outage", 200), len(outage.history())

    dry = bulk(outage, status="resolved", dry_run=True)

    assert outage.client().call("GET", "/api/issues/outage", 200) == before
    assert len(outage.history()) == events
    assert bulk(outage, status="resolved") == dry


def test_a_repeated_bulk_change_changes_nothing(outage: World) -> None:
    bulk(outage, status="resolved")
    before, events = outage.client().call("GET", "/api/issues/outage", 200), len(outage.history())
    assert bulk(outage, status="resolved")["changed"] == 0
    assert outage.client().call("GET", "/api/issues/outage", 200) == before
    assert len(outage.history()) == events


def test_a_bulk_change_is_all_or_nothing(outage: World) -> None:
    before = stored(outage)
    response = bulk(outage, 404, status="resolved", companies=["Contoso", "Nobody", "No one"])
    assert "“Nobody”" in response["detail"] and "“No one”" in response["detail"]
    assert stored(outage) == before

    muller = outage.given_companies("Müller & Söhne")["Müller & Söhne"]
    outage.client("ada").call("PUT", f"/api/companies/{muller}", 200, json={"archived": True})
    for dry_run in (False, True):
        bulk(outage, 400, status="resolved", companies=["Contoso", "Müller & Söhne"], dry_run=dry_run)
    assert stored(outage) == before


def test_an_empty_list_of_companies_changes_none(outage: World) -> None:
    response = bulk(outage, status="resolved", companies=[])
    assert (response["changed"], response["results"]) == (0, [])
    assert stored(outage)["Contoso"] == "investigating"
    assert bulk(outage, status="resolved", company_groups=[])["results"] == []
    assert stored(outage)["Contoso"] == "investigating"


def test_an_empty_list_of_statuses_skips_all_companies(outage: World) -> None:
    before = stored(outage)
    none: dict[str, Any] = {"from": []}
    response = bulk(outage, status="resolved", **none)
    assert response["changed"] == 0
    assert {result["outcome"] for result in response["results"]} <= {"skipped", "unchanged"}
    assert stored(outage) == before


@decided_in_python
@cases(
    ("body", "field"),
    [
        ({}, "status"),
        ({"status": "done"}, "status"),
        ({"status": "new", "from": ["done"]}, "from[0]"),
        ({"status": "new", "companies": ["Contoso", "contoso"]}, "companies[1]"),
        ({"status": "new", "companies": "Contoso"}, "companies"),
        ({"status": "new", "note": "x" * 2001}, "note"),
        ({"status": "new", "dry_run": "yes"}, "dry_run"),
        ({"status": "new", "colour": "red"}, "colour"),
    ],
)
def test_an_invalid_body_names_its_field(outage: World, body: dict[str, Any], field: str) -> None:
    assert [error["field"] for error in bulk(outage, 400, **body)["errors"]] == [field]
    assert stored(outage)["Contoso"] == "investigating"


def test_an_unknown_issue_is_not_found(world: World) -> None:
    world.client().call("POST", BULK, 404, json={"issue_name": "nothing", "status": "new"})
