"""Company access, as administrators set it and as users notice it (contract, section 12)."""

from typing import Any

import pytest

from tests.alerts.test_receivers import given_receiver, send
from tests.alerts.test_rules import given_rule
from tests.company_access.limits import USERS, limit, limited_super_admin, names, set_access, user_id
from tests.world import World


def test_access_can_be_set_and_is_shown(world: World) -> None:
    ada, path = world.client("ada"), f"{USERS}/{user_id(world, 'tess')}"
    ada.call("POST", "/api/company-groups", 201, json={"name": "North", "company_names": ["Fabrikam"]})
    assert {user["company_access"] for user in ada.call("GET", USERS, 200)["items"]} == {"all"}
    ada.call("POST", "/api/company-groups", 201, json={"name": "South"})
    of_omar = set_access(world, {"company_groups": ["South"], "companies": ["Fabrikam"]}, "omar")["company_access"]
    events = len(world.history(audit=True))

    limited = {"company_groups": ["North"], "companies": ["Contoso", "Zürich (Nord)"]}
    body = {"company_access": {"company_groups": ["NORTH"], "companies": ["zürich (nord)", "contoso"]}}
    for _ in range(2):
        assert ada.call("PUT", path, 200, json=body)["company_access"] == limited
    shown = {user["email"]: user["company_access"] for user in ada.call("GET", USERS, 200)["items"]}
    assert shown["tess@helpdesk.example"] == limited and shown["ada@helpdesk.example"] == "all"
    assert ada.call("PUT", path, 200, json={"name": "T"})["company_access"] == limited
    nothing: dict[str, list[str]] = {"company_groups": [], "companies": []}
    assert ada.call("PUT", path, 200, json={"company_access": {}})["company_access"] == nothing
    assert ada.call("PUT", path, 200, json={"company_access": "all"})["company_access"] == "all"
    shown = {user["email"]: user["company_access"] for user in ada.call("GET", USERS, 200)["items"]}
    assert shown["omar@helpdesk.example"] == of_omar, "the access of another user is not changed"
    notes = [event.note for event in world.history(audit=True)[events:] if "access" in (event.note or "")]
    assert notes == [
        "tess@helpdesk.example (company access: groups: North; companies: Contoso, Zürich (Nord))",
        "tess@helpdesk.example (company access: no company)",
        "tess@helpdesk.example (company access: all)",
    ]


@pytest.mark.parametrize(
    ("access", "status", "said"),
    [
        ({"companies": ["Nobody"]}, 404, "There is no company called “Nobody”."),
        ({"company_groups": ["Nobody"]}, 404, "There is no company group called “Nobody”."),
        ("none", 400, "company_access"),
        (7, 400, "company_access"),
        ({"companies": ["Contoso", "contoso"]}, 400, "company_access.companies[1]"),
        ({"company": []}, 400, "company_access.company"),
    ],
)
def test_invalid_access_is_rejected(world: World, access: Any, status: int, said: str) -> None:
    assert said in set_access(world, access, expected=status)["detail"]
    assert set_access(world, "all")["company_access"] == "all"


def test_access_takes_effect_with_the_next_request(scene: World) -> None:
    everything = {"Hidden": ["Fabrikam"], "Idle": [], "Own": ["Contoso"], "Shared": ["Contoso", "Fabrikam"]}
    clients = (scene.client(), scene.bearer())
    for client in clients:
        assert names(client) == everything
    limit(scene, "Contoso")
    for client in clients:
        assert names(client) == {"Own": ["Contoso"], "Shared": ["Contoso"]}
        assert [one["name"] for one in client.call("GET", "/api/companies", 200)["items"]] == ["Contoso"]
    limit(scene)
    for client in clients:
        assert names(client) == {}
    set_access(scene, "all")
    for client in clients:
        assert names(client) == everything


def test_a_changed_group_changes_the_access(scene: World) -> None:
    ada = scene.client("ada")
    group = ada.call("POST", "/api/company-groups", 201, json={"name": "North", "company_names": ["Contoso"]})
    set_access(scene, {"company_groups": ["North"]})
    tess, path = scene.client(), f"/api/company-groups/{group['group_id']}"
    assert names(tess) == {"Own": ["Contoso"], "Shared": ["Contoso"]}
    ada.call("PUT", path, 200, json={"company_names": ["Fabrikam"]})
    assert names(tess) == {"Hidden": ["Fabrikam"], "Shared": ["Fabrikam"]}
    assert "change that first" in ada.call("DELETE", path, 400)["detail"]
    set_access(scene, "all")
    ada.call("DELETE", path, 204)


def test_a_company_in_an_access_can_be_archived_but_not_deleted(world: World) -> None:
    limit(world, "Contoso")
    ids = world.given_companies("Contoso")
    refused = world.client("ada").call("DELETE", f"/api/companies/{ids['Contoso']}", 400)
    assert "archive it instead" in refused["detail"]


def test_the_last_super_admin_who_sees_all_companies_cannot_be_limited(world: World) -> None:
    refused = set_access(world, {"companies": ["Contoso"]}, "ada", 400)
    assert refused["errors"][0]["field"] == "company_access"
    ada, omar = world.client("ada"), user_id(world, "omar")
    ada.call("PUT", f"{USERS}/{omar}", 200, json={"role": "super_admin"})
    limit(world, "Contoso", who="omar")
    # Omar is a super admin, but sees only some companies, so Ada is still the last one who sees all companies.
    set_access(world, {"companies": ["Contoso"]}, "ada", 400)
    ada.call("PUT", f"{USERS}/{user_id(world, 'ada')}", 400, json={"role": "technician"})


def test_a_limited_super_admin_cannot_administer_what_concerns_all_companies(world: World) -> None:
    limited_super_admin(world, "omar", "Contoso")
    omar, ada, client = user_id(world, "omar"), user_id(world, "ada"), world.client("omar")
    requests: list[tuple[str, str, Any]] = [
        ("GET", USERS, None),
        ("PUT", f"{USERS}/{omar}", {"company_access": "all"}),
        ("PUT", f"{USERS}/{ada}", {"password": "another correct horse"}),
        ("PUT", f"{USERS}/999999999", {"password": "another correct horse"}),
        ("GET", f"{USERS}/{ada}/sessions", None),
        ("DELETE", f"{USERS}/{ada}/sessions/1", None),
        ("GET", f"{USERS}/{ada}/tokens", None),
        ("POST", USERS, {"email": "x@y.example", "name": "X", "role": "super_admin"}),
        ("GET", "/api/webhooks", None),
        ("POST", "/api/webhooks", {"url": "https://hooks.helpdesk.example"}),
        ("POST", "/api/company-groups", {"name": "Mine"}),
        ("POST", "/api/company-groups", {"name": "Mine", "company_names": ["Nobody"]}),
        ("POST", "/api/company-groups", {"nonsense": True}),
        ("PUT", "/api/company-groups/999999999", {"name": "Mine", "company_names": ["Nobody"]}),
        ("POST", "/api/companies", {"name": "Fabrikam"}),
    ]
    for method, path, body in requests:
        assert "all companies" in client.call(method, path, 403, json=body)["detail"], path
    ids = world.given_companies("Contoso", "Fabrikam")
    client.call("PUT", f"/api/companies/{ids['Contoso']}", 200, json={"archived": True})
    client.call("PUT", f"/api/companies/{ids['Fabrikam']}", 404, json={"archived": True})
    assert (
        "already exists"
        in client.call("PUT", f"/api/companies/{ids['Contoso']}", 400, json={"name": "fabrikam"})["detail"]
    )


def test_an_issue_with_hidden_companies_cannot_be_renamed_described_or_deleted(scene: World) -> None:
    scene.client("ada").call("PUT", f"{USERS}/{user_id(scene, 'omar')}", 200, json={"role": "super_admin"})
    limit(scene, "Contoso", who="omar")
    omar, events = scene.client("omar"), len(scene.history())
    for body in ({"new_name": "Mine"}, {"description": "Mine"}, {"new_name": "Hidden"}):
        assert "Fabrikam" not in omar.call("PUT", "/api/issues/Shared", 403, json=body)["detail"]
    omar.call("DELETE", "/api/issues/Shared", 403)
    assert len(scene.history()) == events
    omar.call(
        "PUT", "/api/issues/Shared", 200, json={"new_name": "Shared", "add_companies": [{"company_name": "Contoso"}]}
    )
    assert omar.call("PUT", "/api/issues/Own", 200, json={"new_name": "Ours", "description": "x"})["name"] == "Ours"
    omar.call("DELETE", "/api/issues/Ours", 204)
    taken = omar.call("POST", "/api/issues", 400, json={"name": "HIDDEN", "companies": [{"company_name": "Contoso"}]})
    assert taken["errors"] == [{"field": "name", "message": "an issue called “HIDDEN” already exists"}]


def test_a_new_issue_needs_a_company_that_is_visible_to_its_creator(scene: World) -> None:
    limit(scene, "Contoso")
    tess = scene.client()
    assert tess.call("POST", "/api/issues", 400, json={"name": "New"})["errors"][0]["field"] == "companies"
    hidden = {"name": "New", "companies": [{"company_name": "Contoso"}, {"company_name": "Fabrikam"}]}
    assert tess.call("POST", "/api/issues", 404, json=hidden)["detail"] == "There is no company called “Fabrikam”."
    tess.call("POST", "/api/issues", 201, json={"name": "New", "companies": [{"company_name": "Contoso"}]})
    assert "New" not in names(tess, "/api/issues?status=closed") and "New" in names(tess)


def test_bulk_changes_and_removals_affect_only_visible_companies(scene: World) -> None:
    limit(scene, "Contoso")
    tess = scene.client()
    body = {"issue_name": "Shared", "status": "resolved", "companies": None}
    found = tess.call("POST", "/api/issues/status/bulk", 200, json=body)
    assert [one["company_name"] for one in found["results"]] == ["Contoso"]
    statuses = scene.client("ada").call("GET", "/api/issues/Shared", 200)["assignments"]
    assert {one["company_name"]: one["status"] for one in statuses} == {"Contoso": "resolved", "Fabrikam": "new"}
    for company in ("Fabrikam", "Nobody"):
        query = {"issueName": "Shared", "companyName": company}
        refused = tess.call("DELETE", "/api/issues/status", 404, params=query)
        assert refused["detail"] == f"There is no company called “{company}”."
    etag = tess.get("/api/issues/Shared").headers["etag"]
    query = {"issueName": "Shared", "companyName": "Contoso"}
    tess.call("DELETE", "/api/issues/status", 412, params=query, headers={"If-Match": '"stale"'})
    tess.call("DELETE", "/api/issues/status", 204, params=query, headers={"If-Match": etag})
    tess.call("GET", "/api/issues/Shared", 404)


def test_labels_do_not_name_the_other_companies_of_an_alert(world: World) -> None:
    path = given_receiver(world, "healthchecks")
    given_rule(world, company="{tags}", company_by="tag")
    alert = {"name": "Line down", "code": "8f1c", "status": "down", "tags": "contoso fabrikam"}
    assert send(world, path, alert) == {"received": 2, "opened": 1, "assigned": 1}
    limit(world, "Contoso")
    tess = world.client("tess")
    [found] = tess.call("GET", "/api/alerts", 200)["items"]
    assert (found["company_name"], found["labels"]) == ("Contoso", None)
    for address in ("/api/alerts", "/alerts"):
        assert "fabrikam" not in tess.get(address).text.casefold()
    everything = world.client("ada").call("GET", "/api/alerts", 200)["items"]
    assert [one["labels"]["tags"] for one in everything] == ["contoso fabrikam"] * 2
