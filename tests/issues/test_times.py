"""Times: their form, and which change affects which time (contract, section 1)."""

import re
from datetime import UTC, datetime
from typing import Any

from tests.cases import cases
from tests.world import World

FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00")
T1 = datetime(2025, 1, 4, 10, 15, tzinfo=UTC)
T2 = datetime(2025, 1, 9, 8, 45, 30, 120_000, tzinfo=UTC)


def times(issue: dict[str, Any]) -> list[str]:
    """Returns every time of an issue, after checking that the `_iso` fields are equal."""
    for part in (issue, *issue["assignments"]):
        for name in ("created_at", "updated_at") if part is issue else ("updated_at",):
            assert part[name] == part[f"{name}_iso"]
    return [issue["created_at"], issue["updated_at"], *(member["updated_at"] for member in issue["assignments"])]


@cases(
    ("instant", "text"),
    [
        (T1, "2025-01-04T10:15:00+00:00"),
        (T1.replace(microsecond=1), "2025-01-04T10:15:00.000001+00:00"),
        (T1.replace(microsecond=500_000), "2025-01-04T10:15:00.500000+00:00"),
    ],
)
def test_a_time_is_iso_8601_with_a_fraction_only_if_it_is_not_zero(world: World, instant: datetime, text: str) -> None:
    world.empty_issues()
    world.clock.freeze(instant)
    world.given_issue("Fault", {"Contoso": "new"})
    assert times(world.client().call("GET", "/api/issues/Fault", 200)) == [text] * 3
    assert times(world.client().call("GET", "/api/issues", 200)["items"][0]) == [text] * 3


def test_every_time_in_every_response_has_this_form(world: World) -> None:
    world.given_issue("Fault", {"Contoso": "new"})
    admin = world.client("ada")
    admin.call(
        "POST", "/api/auth/tokens", 201, json={"name": "t", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00Z"}
    )
    seen = 0
    for path in ("/api/issues", "/api/users", "/api/auth/sessions", "/api/auth/session", "/api/auth/tokens"):
        for found in re.findall(r'"(?:\w+_at|at)(?:_iso)?":"([^"]+)"', admin.get(path).text):
            assert FORM.fullmatch(found), f"{path}: {found}"
            seen += 1
    assert seen > 15


def test_the_time_of_an_issue_is_that_of_its_latest_change(world: World) -> None:
    world.clock.freeze(T1)
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "new"})
    world.clock.freeze(T2)
    client = world.client()
    first, second = "2025-01-04T10:15:00+00:00", "2025-01-09T08:45:30.120000+00:00"

    change = {"issue_name": "fault", "company_name": "contoso", "status": "closed"}
    client.call("PUT", "/api/issues/status", 200, json=change)

    assert times(client.call("GET", "/api/issues/Fault", 200)) == [first, second, second, first]


@cases(
    ("body", "moved"),
    [
        ({"description": "new"}, True),
        ({"new_name": "FAULT"}, True),
        ({"add_companies": [{"company_name": "Fabrikam"}]}, True),
        ({"add_companies": [{"company_name": "Contoso", "status": "closed"}]}, True),
        ({"add_companies": [{"company_name": "Contoso"}]}, False),
        ({"add_companies": [{"company_name": "Contoso", "status": "new"}], "new_name": "Fault"}, False),
        ({"description": " as it was "}, False),
    ],
)
def test_only_a_change_changes_the_time(world: World, body: dict[str, Any], moved: bool) -> None:
    world.empty_issues()
    world.clock.freeze(T1)
    world.given_issue("Fault", {"Contoso": "new"}, "as it was")
    world.clock.freeze(T2)
    before, events = world.client().get("/api/issues/Fault"), len(world.history())

    world.client().call("PUT", "/api/issues/Fault", 200, json=body)

    after = world.client().get("/api/issues/Fault")
    assert (after.json()["updated_at"] == "2025-01-09T08:45:30.120000+00:00") is moved
    assert (after.headers["ETag"] != before.headers["ETag"]) is moved
    assert (len(world.history()) > events) is moved


@cases(
    ("method", "path", "body"),
    [
        ("PUT", "/api/issues/Fault", {"description": "new"}),
        ("PUT", "/api/issues/status", {"issue_name": "Fault", "company_name": "Contoso", "status": "closed"}),
        ("PUT", "/api/issues/status", {"issue_name": "Fault", "company_name": "Fabrikam", "status": "new"}),
        ("DELETE", "/api/issues/status?issueName=Fault&companyName=Contoso", None),
        ("POST", "/api/issues/status/bulk", {"issue_name": "Fault", "status": "closed"}),
    ],
)
def test_the_time_of_change_moves_forward_when_the_clock_is_set_back(
    world: World, method: str, path: str, body: dict[str, Any] | None
) -> None:
    world.empty_issues()
    world.clock.freeze(T1)
    world.given_issue("Fault", {"Contoso": "new"})
    client = world.client()
    world.clock.advance(hours=-1)

    assert client.request(method, path, json=body).is_success

    found = client.call("GET", "/api/issues", 200, params={"updatedSince": T1.isoformat()})["items"]
    assert [issue["updated_at"] for issue in found] == ["2025-01-04T10:15:00.000001+00:00"]
    assert client.call("GET", "/api/issues/Fault", 200)["updated_at"] == found[0]["updated_at"]
    # A client that requests changes after the last time it has seen gets none of them twice.
    later = {"updatedSince": (T1.replace(microsecond=2)).isoformat()}
    assert client.call("GET", "/api/issues", 200, params=later)["total"] == 0


def test_the_last_event_of_an_issue_is_its_deletion_when_the_clock_is_set_back(world: World) -> None:
    world.clock.freeze(T1)
    world.given_issue("Fault")
    world.clock.advance(hours=-1)
    world.client("ada").call("DELETE", "/api/issues/Fault", 204)
    assert [(event.type, event.at >= T1) for event in world.history()] == [
        ("issue.created", True),
        ("issue.deleted", True),
    ]


def test_renaming_a_company_changes_no_time_and_is_shown_everywhere(world: World) -> None:
    world.clock.freeze(T1)
    world.given_issue("Fault", {"Contoso": "new"})
    world.client().call("GET", "/api/issues", 200)
    before = world.client().get("/api/issues/Fault").headers["ETag"]
    world.clock.freeze(T2)
    contoso = world.given_companies("Contoso")["Contoso"]

    world.client("ada").call("PUT", f"/api/companies/{contoso}", 200, json={"name": "Contoso Ltd."})

    response = world.client().get("/api/issues/Fault")
    listed = world.client().call("GET", "/api/issues", 200)["items"][0]
    assert response.json() == listed
    assert listed["assignments"][0]["company_name"] == "Contoso Ltd."
    assert times(listed) == ["2025-01-04T10:15:00+00:00"] * 3
    assert response.headers["ETag"] != before
