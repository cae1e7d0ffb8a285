"""GET /api/events (contract, section 7): the listed events, for each role, in pages."""

from typing import Any

from tests.clients import Client
from tests.engines import decided_in_python
from tests.world import World


def _events(client: Client, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.call("GET", "/api/events", 200, params=query)["items"]
    return items


def test_a_change_is_listed_with_all_its_details(world: World) -> None:
    issue_id = world.given_issue("VPN", {"Contoso": "new"})
    body = {"issue_name": "vpn", "company_name": "contoso", "status": "resolved", "note": "Carrier confirms"}
    response = world.client("tess").put("/api/issues/status", json=body, headers={"X-Request-ID": "call-1"})

    event = _events(world.client("tess"))[0]

    assert event.keys() >= {"event_id", "at", "company_id"}
    assert {**event, "event_id": 0, "at": "", "company_id": 0} == {
        "event_id": 0,
        "type": "assignment.status_changed",
        "at": "",
        "actor": {"id": event["actor"]["id"], "name": "Tess Ngo", "channel": "session"},
        "request_id": "call-1",
        "issue_id": issue_id,
        "issue_name": "VPN",
        "company_id": 0,
        "company_name": "Contoso",
        "field": None,
        "from": "new",
        "to": "resolved",
        "note": "Carrier confirms",
        "update_id": None,
        "undoes": None,
    }
    assert event["at"] == response.json()["updated_at"]


def test_setting_the_current_status_records_nothing(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    before = _events(world.client("ada"))
    body = {"issue_name": "VPN", "company_name": "Contoso", "status": "new"}
    world.client().call("PUT", "/api/issues/status", 200, json=body)
    assert _events(world.client("ada")) == before


def test_creating_with_companies_records_one_event_for_each(world: World) -> None:
    client = world.client()
    body = {"name": "VPN", "companies": [{"company_name": "Contoso"}, {"company_name": "Fabrikam"}]}
    client.request("POST", "/api/issues", json=body, headers={"X-Request-ID": "made-here"})

    events = _events(client, requestId="made-here", after=0)

    assert [(e["type"], e["company_name"], e["to"]) for e in events] == [
        ("issue.created", None, None),
        ("assignment.created", "Contoso", "new"),
        ("assignment.created", "Fabrikam", "new"),
    ]


def test_a_change_of_an_issue_names_the_field(world: World) -> None:
    world.given_issue("VPN")
    client = world.client()
    client.call("PUT", "/api/issues/VPN", 200, json={"new_name": "Tunnel", "description": "Down since noon"})

    described, renamed, created = _events(client, issueName="Tunnel")

    assert (renamed["field"], renamed["from"], renamed["to"], renamed["note"]) == ("name", "VPN", "Tunnel", None)
    assert (described["field"], described["from"], described["to"]) == ("description", None, None)
    assert described["note"] == "description", "as before events named a field"
    assert created["field"] is None


def test_technicians_see_no_audit_events(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    assert {e["type"] for e in _events(world.client("tess"))} == {"issue.created", "assignment.created"}
    assert {e["type"] for e in _events(world.client("ada"))} >= {"user.created", "company.created", "issue.created"}
    assert _events(world.client("tess"), type="user.created") == []
    world.client("mia").call("GET", "/api/events", 403)


def test_filters_are_combined(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new", "Fabrikam": "new"})
    world.given_issue("Mail", {"Contoso": "new"})
    client = world.client("tess")
    body = {"issue_name": "VPN", "company_name": "Contoso", "status": "resolved"}
    client.call("PUT", "/api/issues/status", 200, json=body)

    assert len(_events(client, companyName="CONTOSO")) == 3
    assert len(_events(client, companyName="CONTOSO", issueName="vpn")) == 2
    changed = _events(client, companyName="contoso", type="assignment.status_changed", actor="tess ngo")
    assert [e["issue_name"] for e in changed] == ["VPN"]
    assert _events(client, actor=changed[0]["actor"]["id"]) == changed
    assert _events(client, type=["assignment.status_changed", "issue.created"], issueName="vpn")[0] == changed[0]
    assert len(_events(client, type=["assignment.created", "issue.created"])) == 5
    assert len(_events(client, actor="tests")) == 5
    assert _events(client, actor="nobody") == []

    world.client("ada").call("PUT", f"/api/users/{changed[0]['actor']['id']}", 200, json={"name": "4711"})
    assert _events(client, actor="4711", type="assignment.status_changed") == changed
    assert _events(client, requestId="never") == []


def test_the_history_follows_renames_and_survives_deletion(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    ada = world.client("ada")
    ada.call("PUT", "/api/issues/VPN", 200, json={"new_name": "Tunnel"})
    events = [(e["type"], e["issue_name"]) for e in _events(ada, issueName="tunnel")]
    assert events == [("issue.updated", "Tunnel"), ("assignment.created", "VPN"), ("issue.created", "VPN")]

    ada.call("DELETE", "/api/issues/Tunnel", 204)
    assert [e["type"] for e in _events(ada, issueName="Tunnel")] == ["issue.deleted", "issue.updated"]
    assert len(_events(ada, issueName="VPN")) == 2


@decided_in_python
def test_unknown_names_are_404_and_invalid_parameters_422(world: World) -> None:
    client = world.client()
    assert "“Nothing”" in client.call("GET", "/api/events?issueName=Nothing", 404)["detail"]
    assert "“Nobody”" in client.call("GET", "/api/events?companyName=Nobody", 404)["detail"]
    for bad in ("type=nothing", "limit=0", "limit=501", "after=x", "before=-1", "since=1"):
        client.call("GET", f"/api/events?{bad}", 422)


def test_technicians_cannot_find_audit_events_by_name(world: World) -> None:
    ada = world.client("ada")
    made = ada.call("POST", "/api/companies", 201, json={"name": "Shortlived"})
    ada.call("DELETE", f"/api/companies/{made['company_id']}", 204)
    assert len(_events(ada, companyName="Shortlived")) == 2
    world.client("tess").call("GET", "/api/events?companyName=Shortlived", 404)


def test_pages_contain_every_event_once_in_both_directions(world: World) -> None:
    for number in range(7):
        world.given_issue(f"Fault {number}", {"Contoso": "new"})
    client = world.client()
    everything = _events(client)
    assert len(everything) == 14
    for start, expected in (("", everything), ("&after=0", everything[::-1])):
        url: str | None = f"/api/events?limit=3{start}"
        found = []
        while url:
            response = client.get(url)
            assert response.json()["total"] == 14 and response.json()["total_exact"] is True
            found += response.json()["items"]
            url = response.links.get("next", {}).get("url")
        assert found == expected


def test_an_unchanged_page_is_not_sent_again(world: World) -> None:
    client = world.client()
    first = client.get("/api/events")
    assert client.get("/api/events", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
