"""GET and DELETE /api/issues/{issue_name} (contract, section 5)."""

from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import World


def test_an_issue_is_found_by_its_name_regardless_of_case(world: World) -> None:
    world.given_issue("Straße gesperrt", {"Contoso": "new"})
    found = world.client().call("GET", "/api/issues/STRASSE%20GESPERRT", 200)
    assert found["name"] == "Straße gesperrt"
    assert found == world.client().call("GET", "/api/issues", 200)["items"][0]


@decided_in_python
def test_a_trailing_slash_is_the_same_resource(world: World) -> None:
    world.given_issue("Fault")
    client = world.client()
    assert client.call("GET", "/api/issues/Fault/", 200) == client.call("GET", "/api/issues/Fault", 200)
    assert client.call("GET", "/api/issues/", 200) == client.call("GET", "/api/issues", 200)
    assert client.call("POST", "/api/issues/", 201, json={"name": "Another"})["name"] == "Another"
    body = {"issue_name": "Fault", "company_name": "Contoso", "status": "new"}
    assert client.call("PUT", "/api/issues/status/", 200, json=body)["company_name"] == "Contoso"


@cases("path", ["nothing", "%ff", "%00", "a%00b", "%ED%A0%80", "x" * 5000, "%20", "a%2Fb"])
def test_an_unknown_name_is_not_found(world: World, path: str) -> None:
    world.client().call("GET", f"/api/issues/{path}", 404)


@decided_in_python
def test_an_unknown_query_parameter_is_rejected(world: World) -> None:
    world.given_issue("Fault")
    assert "verbose" in world.client().call("GET", "/api/issues/Fault?verbose=1", 422)["detail"]


def test_a_super_admin_deletes_an_issue_and_its_history_remains(world: World) -> None:
    world.given_issue("Fault", {"Contoso": "new"})

    world.client("ada").call("DELETE", "/api/issues/FAULT", 204)

    world.client().call("GET", "/api/issues/Fault", 404)
    assert world.client().call("GET", "/api/issues", 200) == {"items": [], "total": 0}
    assert [event.type for event in world.history()] == ["issue.created", "assignment.created", "issue.deleted"]
    assert world.history()[-1].issue_name == "Fault"
    world.client("ada").call("DELETE", "/api/issues/Fault", 404)


def test_a_technician_cannot_delete_an_issue(world: World) -> None:
    world.given_issue("Fault")
    world.client("tess").call("DELETE", "/api/issues/Fault", 403)
    assert world.client().call("GET", "/api/issues/Fault", 200)["name"] == "Fault"


def test_the_name_of_a_deleted_issue_can_be_reused(world: World) -> None:
    first = world.given_issue("Fault")
    world.client("ada").call("DELETE", "/api/issues/Fault", 204)
    assert world.client().call("POST", "/api/issues", 201, json={"name": "fault"})["issue_id"] != first


@decided_in_python
def test_head_responds_like_get_without_a_body(world: World) -> None:
    world.given_issue("Fault")
    response = world.client().head("/api/issues/Fault")
    assert response.status_code == 200 and response.content == b""
    assert response.headers["ETag"] == world.client().get("/api/issues/Fault").headers["ETag"]
