"""POST /api/issues (specification, “Create an issue”; contract, section 4)."""

from typing import Any
from urllib.parse import quote

from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import World


def test_an_issue_is_created_with_its_assignments(world: World) -> None:
    client = world.client("tess")

    created = client.call(
        "POST",
        "/api/issues",
        201,
        json={
            "name": "Printer firmware failure",
            "description": "Firmware 4.3.2 fails.",
            "companies": [{"company_name": "fabrikam", "status": "investigating"}, {"company_name": "Contoso"}],
        },
    )

    assert [(m["company_name"], m["status"]) for m in created["assignments"]] == [
        ("Contoso", "new"),
        ("Fabrikam", "investigating"),
    ]
    assert client.call("GET", "/api/issues/Printer%20firmware%20failure", 200) == created


def test_a_taken_name_is_rejected_regardless_of_case(world: World) -> None:
    world.given_issue("Straße")

    response = world.client().call("POST", "/api/issues", 400, json={"name": "STRASSE"})

    assert response["errors"][0]["field"] == "name"
    assert world.client().call("GET", "/api/issues", 200)["total"] == 1


def test_all_unknown_companies_are_reported_and_nothing_is_created(world: World) -> None:
    client = world.client()
    companies = [{"company_name": "Nobody"}, {"company_name": "Contoso"}, {"company_name": "No one"}]

    response = client.call("POST", "/api/issues", 404, json={"name": "Fault", "companies": companies})

    assert "“Nobody”" in response["detail"] and "“No one”" in response["detail"]
    assert client.call("GET", "/api/issues", 200) == {"items": [], "total": 0}


def test_a_company_without_a_status_starts_as_new(world: World) -> None:
    client = world.client()

    assert client.call("POST", "/api/issues", 201, json={"name": "  Just a name "})["name"] == "Just a name"
    empty = {"name": "Null everywhere", "description": None, "companies": None}
    assert client.call("POST", "/api/issues", 201, json=empty)["description"] is None
    member = {"company_name": "contoso", "status": None}
    created = client.call("POST", "/api/issues", 201, json={"name": "One", "companies": [member]})
    assert [(m["company_name"], m["status"]) for m in created["assignments"]] == [("Contoso", "new")]


@decided_in_python
@cases("name", ["TCP/IP", "100% loss?", "é", "a b"])
def test_the_location_header_is_the_address_of_the_issue(world: World, name: str) -> None:
    client = world.client()
    response = client.post("/api/issues", json={"name": name})
    assert response.headers["Location"] == "/api/issues/" + quote(name, safe="")
    assert client.call("GET", response.headers["Location"], 200) == response.json()


@decided_in_python
@cases(
    ("body", "fields"),
    [
        ({}, ["name"]),
        ({"name": None}, ["name"]),
        ({"name": 5}, ["name"]),
        ({"name": " \t\n"}, ["name"]),
        ({"name": "x" * 256}, ["name"]),
        ({"name": "a\u0000b"}, ["name"]),
        ({"name": "a\u001fb"}, ["name"]),
        ({"name": "a\u0085b"}, ["name"]),
        ({"name": "status"}, ["name"]),
        ({"name": " StAtUs "}, ["name"]),
        ({"name": "."}, ["name"]),
        ({"name": ".."}, ["name"]),
        ({"name": "x", "description": "y" * 10_001}, ["description"]),
        ({"name": "x", "description": ["y"]}, ["description"]),
        ({"name": "x", "colour": "red"}, ["colour"]),
        ({"name": "x", "companies": {}}, ["companies"]),
        ({"name": "x", "companies": [{"status": "new"}]}, ["companies[0].company_name"]),
        (
            {"name": "x", "companies": [{"company_name": "Contoso"}, {"company_name": ""}]},
            ["companies[1].company_name"],
        ),
        (
            {"name": "", "companies": [{"company_name": 1, "status": "done", "x": 0}, 7], "y": 1},
            ["y", "name", "companies[0].x", "companies[0].company_name", "companies[0].status", "companies[1]"],
        ),
        (
            {"name": "x", "companies": [{"company_name": "Contoso"}, {"company_name": "CONTOSO"}]},
            ["companies[1].company_name"],
        ),
    ],
)
def test_an_invalid_body_names_every_invalid_field(world: World, body: dict[str, Any], fields: list[str]) -> None:
    response = world.client().call("POST", "/api/issues", 400, json=body)
    assert [error["field"] for error in response["errors"]] == fields
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0


@decided_in_python
@cases("name", ["status", "..", "."])
def test_a_reserved_name_is_rejected_with_the_reason(world: World, name: str) -> None:
    response = world.client().call("POST", "/api/issues", 400, json={"name": name})
    assert f"“{name}” is reserved, because" in response["detail"]


@cases("name", ["x" * 255, "🔥" * 255, "ΐ" * 255])
def test_the_longest_names_are_stored_completely(world: World, name: str) -> None:
    client = world.client()
    client.call("POST", "/api/issues", 201, json={"name": name, "description": "é" * 10_000})
    found = client.call("GET", f"/api/issues/{quote(name, safe='')}", 200)
    assert found["name"] == name and found["description"] == "é" * 10_000


def test_names_are_stored_in_composed_form(world: World) -> None:
    assert world.client().call("POST", "/api/issues", 201, json={"name": "e\u0301clair"})["name"] == "éclair"
    assert world.client().call("GET", "/api/issues/%C3%89CLAIR", 200)["name"] == "éclair"
    assert world.client().call("GET", "/api/issues/E%CC%81CLAIR", 200)["name"] == "éclair"


@decided_in_python
@cases("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"name": "x"} trailing', b'"\\ud800"', b"{'a': 1}"])
def test_a_body_that_is_not_a_json_object_is_rejected(world: World, body: bytes) -> None:
    response = world.client().post("/api/issues", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.json()["detail"]


def test_an_archived_company_cannot_be_assigned(world: World) -> None:
    contoso = world.given_companies("Contoso")["Contoso"]
    world.client("ada").call("PUT", f"/api/companies/{contoso}", 200, json={"archived": True})

    response = world.client().call(
        "POST", "/api/issues", 400, json={"name": "x", "companies": [{"company_name": "Contoso"}]}
    )

    assert "“Contoso” is archived" in response["detail"]
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0


def test_creating_records_one_event_and_one_for_each_company(world: World) -> None:
    companies = [{"company_name": "Fabrikam", "status": "new"}, {"company_name": "Contoso", "status": "closed"}]
    response = world.client().post(
        "/api/issues", json={"name": "Fault", "companies": companies}, headers={"X-Request-ID": "create-1"}
    )
    assert response.status_code == 201

    recorded = [(event.type, event.company_name, event.to_value) for event in world.history()]
    assert recorded[0] == ("issue.created", None, None)
    assert sorted(recorded[1:]) == [
        ("assignment.created", "Contoso", "closed"),
        ("assignment.created", "Fabrikam", "new"),
    ]
    assert {(event.actor_name, event.channel, event.request_id) for event in world.history()} == {
        ("Tess Ngo", "session", "create-1")
    }


def test_a_name_that_is_taken_is_reported_whatever_it_contains(world: World) -> None:
    world.given_issue("Fault")
    tess = world.client("tess")
    tess.call("POST", "/api/issues", 201, json={"name": "external_key lookup fails"})
    for method, path, field in (("POST", "/api/issues", "name"), ("PUT", "/api/issues/Fault", "new_name")):
        refused = tess.call(method, path, 400, json={field: "External_Key lookup fails"})
        assert [error["field"] for error in refused["errors"]] == [field]


def test_a_taken_name_and_a_taken_external_key_are_reported_together(world: World) -> None:
    tess = world.client("tess")
    for name, external_key in (("Fault", "one"), ("Other", "two")):
        tess.call("POST", "/api/issues", 201, json={"name": name, "external_key": external_key})
    for method, path, field in (("POST", "/api/issues", "name"), ("PUT", "/api/issues/Other", "new_name")):
        refused = tess.call(method, path, 400, json={field: "FAULT", "external_key": "one"})
        assert refused["errors"] == [
            {"field": field, "message": "an issue called “FAULT” already exists"},
            {"field": "external_key", "message": "another issue has the external key “one”"},
        ]
    refused = tess.call("PUT", "/api/issues/Other", 400, json={"new_name": "OTHER", "external_key": "one"})
    assert [error["field"] for error in refused["errors"]] == ["external_key"]
