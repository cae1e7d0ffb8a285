"""Company access, as administrators set it and as readers notice it (contract, section 12)."""

from itertools import cycle
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from issue_tracker.database.tables import deliveries
from issue_tracker.events import stream as stream_module
from tests.clients import Client
from tests.events.listening import Listening
from tests.waiting import eventually
from tests.world import World

USERS = "/api/users"


def user_id(world: World, who: str) -> int:
    users = world.client("ada").call("GET", USERS, 200)["items"]
    return next(int(user["user_id"]) for user in users if user["email"].startswith(who))


def set_access(world: World, access: Any, who: str = "tess", expected: int = 200) -> Any:
    path = f"{USERS}/{user_id(world, who)}"
    return world.client("ada").call("PUT", path, expected, json={"company_access": access})


def limit(world: World, *companies: str, who: str = "tess") -> None:
    set_access(world, {"companies": list(companies)}, who)


def names(client: Client, path: str = "/api/issues") -> dict[str, list[str]]:
    """The issues of a list with their companies."""
    found = client.call("GET", path, 200)
    assert found["total"] == len(found["items"])
    return {item["name"]: [one["company_name"] for one in item["assignments"]] for item in found["items"]}


@pytest.fixture
def scene(world: World) -> World:
    """An issue of a visible and a hidden company, one of each alone, and one without companies."""
    world.given_issue("Shared", {"Contoso": "new", "Fabrikam": "new"})
    world.given_issue("Own", {"Contoso": "resolved"})
    world.given_issue("Hidden", {"Fabrikam": "new"})
    world.given_issue("Idle")
    return world


def test_access_is_set_and_shown(world: World) -> None:
    ada, path = world.client("ada"), f"{USERS}/{user_id(world, 'tess')}"
    ada.call("POST", "/api/company-groups", 201, json={"name": "North", "company_names": ["Fabrikam"]})
    events = len(world.history(audit=True))
    assert {user["company_access"] for user in ada.call("GET", USERS, 200)["items"]} == {"all"}

    limited = {"company_groups": ["North"], "companies": ["Contoso", "Zürich (Nord)"]}
    body = {"company_access": {"company_groups": ["NORTH"], "companies": ["zürich (nord)", "contoso"]}}
    for _ in range(2):
        assert ada.call("PUT", path, 200, json=body)["company_access"] == limited
    shown = {user["email"]: user["company_access"] for user in ada.call("GET", USERS, 200)["items"]}
    assert shown["tess@helpdesk.example"] == limited and shown["omar@helpdesk.example"] == "all"
    assert ada.call("PUT", path, 200, json={"name": "T"})["company_access"] == limited
    nothing: dict[str, list[str]] = {"company_groups": [], "companies": []}
    assert ada.call("PUT", path, 200, json={"company_access": {}})["company_access"] == nothing
    assert ada.call("PUT", path, 200, json={"company_access": "all"})["company_access"] == "all"
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
def test_access_that_cannot_be_is_refused(world: World, access: Any, status: int, said: str) -> None:
    assert said in set_access(world, access, expected=status)["detail"]
    assert set_access(world, "all")["company_access"] == "all"


def test_access_counts_from_the_next_request_on(scene: World) -> None:
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


def test_a_company_that_an_access_names_is_archived_rather_than_deleted(world: World) -> None:
    limit(world, "Contoso")
    ids = world.given_companies("Contoso")
    refused = world.client("ada").call("DELETE", f"/api/companies/{ids['Contoso']}", 400)
    assert "archive it instead" in refused["detail"]


def test_somebody_always_sees_everything(world: World) -> None:
    refused = set_access(world, {"companies": ["Contoso"]}, "ada", 400)
    assert refused["errors"][0]["field"] == "company_access"
    ada, omar = world.client("ada"), user_id(world, "omar")
    ada.call("PUT", f"{USERS}/{omar}", 200, json={"role": "super_admin"})
    limit(world, "Contoso", who="omar")
    # Omar is a super admin, but sees only some companies, so Ada is still the last one who sees all.
    set_access(world, {"companies": ["Contoso"]}, "ada", 400)
    ada.call("PUT", f"{USERS}/{user_id(world, 'ada')}", 400, json={"role": "technician"})


def test_a_limited_super_admin_does_not_administer_what_concerns_all(world: World) -> None:
    omar = user_id(world, "omar")
    world.client("ada").call("PUT", f"{USERS}/{omar}", 200, json={"role": "super_admin"})
    limit(world, "Contoso", who="omar")
    client = world.client("omar")
    requests: list[tuple[str, str, Any]] = [
        ("GET", USERS, None),
        ("PUT", f"{USERS}/{omar}", {"company_access": "all"}),
        ("PUT", f"{USERS}/{user_id(world, 'ada')}", {"password": "another correct horse"}),
        ("POST", USERS, {"email": "x@y.example", "name": "X", "role": "super_admin"}),
        ("GET", "/api/webhooks", None),
        ("POST", "/api/webhooks", {"url": "https://hooks.helpdesk.example"}),
        ("POST", "/api/company-groups", {"name": "Mine"}),
        ("POST", "/api/companies", {"name": "Fabrikam"}),
    ]
    for method, path, body in requests:
        assert "all companies" in client.call(method, path, 403, json=body)["detail"], path
    ids = world.given_companies("Contoso", "Fabrikam")
    client.call("PUT", f"/api/companies/{ids['Contoso']}", 200, json={"archived": True})
    client.call("PUT", f"/api/companies/{ids['Fabrikam']}", 404, json={"archived": True})
    assert (
        "exists already"
        in client.call("PUT", f"/api/companies/{ids['Contoso']}", 400, json={"name": "fabrikam"})["detail"]
    )


def test_a_shared_issue_is_not_renamed_described_or_deleted(scene: World) -> None:
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
    assert taken["errors"] == [{"field": "name", "message": "an issue called “HIDDEN” exists already"}]


def test_a_new_issue_needs_a_company_that_its_creator_sees(scene: World) -> None:
    limit(scene, "Contoso")
    tess = scene.client()
    assert tess.call("POST", "/api/issues", 400, json={"name": "New"})["errors"][0]["field"] == "companies"
    hidden = {"name": "New", "companies": [{"company_name": "Contoso"}, {"company_name": "Fabrikam"}]}
    assert tess.call("POST", "/api/issues", 404, json=hidden)["detail"] == "There is no company called “Fabrikam”."
    tess.call("POST", "/api/issues", 201, json={"name": "New", "companies": [{"company_name": "Contoso"}]})
    assert "New" not in names(tess, "/api/issues?status=closed") and "New" in names(tess)


def test_bulk_changes_and_unassigning_reach_what_is_visible(scene: World) -> None:
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


def test_hidden_changes_move_no_time_and_no_validator(scene: World) -> None:
    limit(scene, "Contoso")
    tess, ada = scene.client(), scene.client("ada")
    paths = (
        "/api/issues/Shared",
        "/api/issues",
        "/api/issues?sort=-updated_at",
        "/api/issues?format=csv",
        "/api/events",
    )

    def seen() -> list[tuple[str, str | None, bytes]]:
        found = [tess.get(path) for path in paths]
        return [(each.headers["etag"], each.headers.get("x-sync-position"), each.content) for each in found]

    before = seen()
    change = {"issue_name": "Shared", "company_name": "Fabrikam", "status": "closed"}
    ada.call("PUT", "/api/issues/status", 200, json=change)
    ada.call("PUT", "/api/issues/Hidden", 200, json={"description": "x"})
    assert seen() == before
    mine = change | {"company_name": "Contoso"}
    changed = tess.put("/api/issues/status", json=mine, headers={"If-Match": before[0][0]})
    assert changed.status_code == 200
    assert changed.headers["etag"] == tess.get(paths[0]).headers["etag"] != before[0][0]
    assert tess.get(paths[0], headers={"If-None-Match": changed.headers["etag"]}).status_code == 304
    tess.call("PUT", "/api/issues/status", 412, json=mine, headers={"If-Match": before[0][0]})
    assert all(one != other for one, other in zip(before, seen(), strict=True))


def test_the_validator_of_a_list_changes_with_a_group(scene: World) -> None:
    ada, path = scene.client("ada"), "/api/issues?companyGroup=North"
    group = ada.call("POST", "/api/company-groups", 201, json={"name": "North", "company_names": ["Contoso"]})
    limit(scene, "Contoso", "Fabrikam")
    tess = scene.client()
    etag = tess.get(path).headers["etag"]
    assert tess.get(path, headers={"If-None-Match": etag}).status_code == 304
    ada.call("PUT", f"/api/company-groups/{group['group_id']}", 200, json={"company_names": ["Fabrikam"]})
    assert tess.get(path, headers={"If-None-Match": etag}).status_code == 200
    assert names(tess, path) == {"Hidden": ["Fabrikam"], "Shared": ["Fabrikam"]}


def test_the_times_of_a_shared_issue_are_those_of_what_is_visible(scene: World) -> None:
    limit(scene, "Contoso")
    tess, ada = scene.client(), scene.client("ada")
    created = tess.call("GET", "/api/issues/Shared", 200)["updated_at"]
    scene.clock.advance(hours=1)
    change = {"issue_name": "Shared", "company_name": "Fabrikam", "status": "closed"}
    hidden = ada.call("PUT", "/api/issues/status", 200, json=change)["updated_at"]
    assert tess.call("GET", "/api/issues/Shared", 200)["updated_at"] == created
    assert names(tess, f"/api/issues?updatedSince={hidden.replace('+', '%2B')}") == {}
    described = ada.call("PUT", "/api/issues/Shared", 200, json={"description": "x"})["updated_at"]
    assert tess.call("GET", "/api/issues/Shared", 200)["updated_at"] == described > created
    assert list(names(tess, "/api/issues?sort=-updated_at")) == ["Shared", "Own"]
    assert names(tess, f"/api/issues?updatedSince={described.replace('+', '%2B')}") == {"Shared": ["Contoso"]}
    moved = ada.call("PUT", "/api/issues/status", 200, json=change | {"company_name": "Contoso"})["updated_at"]
    assert tess.call("GET", "/api/issues/Shared", 200)["updated_at"] == moved
    page = tess.get("/api/issues?sort=updated_at&limit=1")
    assert [item["name"] for item in page.json()["items"]] == ["Own"] and page.json()["total"] == 2
    following = tess.get(page.headers["link"].partition(">")[0].lstrip("<"))
    assert [item["name"] for item in following.json()["items"]] == ["Shared"]


def test_a_synchronizing_client_is_told_what_is_visible(scene: World) -> None:
    limit(scene, "Contoso")
    tess, ada = scene.client(), scene.client("ada")

    def changed_since(position: str, expected: int = 200) -> list[str]:
        found = tess.call("GET", "/api/issues", expected, params={"changedSince": position})
        return [item["name"] for item in found.get("items", ())]

    start = tess.get("/api/issues").headers["x-sync-position"]
    assert changed_since(start) == []
    for name in ("Hidden", "Idle"):
        ada.call("PUT", f"/api/issues/{name}", 200, json={"description": "x"})
    assert changed_since(start) == []
    ada.call("PUT", "/api/issues/Shared", 200, json={"description": "x"})
    assert changed_since(start) == ["Shared"]
    ada.call("PUT", "/api/issues/Hidden", 200, json={"add_companies": [{"company_name": "Contoso"}]})
    assert changed_since(start) == ["Hidden", "Shared"]
    limit(scene, "Contoso", "Fabrikam")
    changed_since(start, 422)


def test_the_deletion_of_a_visible_issue_is_told(scene: World) -> None:
    limit(scene, "Contoso")
    tess, ada = scene.client(), scene.client("ada")
    query = {"issueName": "Shared", "companyName": "Contoso"}
    ada.call("DELETE", "/api/issues/status", 204, params=query)
    for name in ("Shared", "Own", "Hidden"):
        ada.call("DELETE", f"/api/issues/{name}", 204)
    found = tess.call("GET", "/api/events?type=issue.deleted", 200)["items"]
    assert [event["issue_name"] for event in found] == ["Own"]


def test_a_retry_is_answered_only_to_the_same_access(scene: World) -> None:
    tess, key = scene.client(), {"Idempotency-Key": "again"}
    body = {"name": "New", "companies": [{"company_name": "Contoso"}, {"company_name": "Fabrikam"}]}
    tess.call("POST", "/api/issues", 201, json=body, headers=key)
    assert tess.post("/api/issues", json=body, headers=key).headers["Idempotent-Replayed"] == "true"
    limit(scene, "Contoso")
    tess.call("POST", "/api/issues", 422, json=body, headers=key)


def test_an_open_stream_follows_the_access(scene: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "CHECK_SECONDS", 0.05)
    ada = scene.client("ada")
    listening = Listening(scene.client())
    hidden = {"issue_name": "Shared", "company_name": "Fabrikam"}
    ada.call("PUT", "/api/issues/status", 200, json={**hidden, "status": "closed"})
    eventually(lambda: len(listening.events) == 1)
    limit(scene, "Contoso")
    statuses = cycle(["resolved", "monitoring"])

    def only_visible_events_arrive() -> bool:
        # Until the stream has noticed, hidden events still arrive.
        received, status = len(listening.events), next(statuses)
        for company in ("Fabrikam", "Contoso"):
            change = {"issue_name": "Shared", "company_name": company, "status": status}
            ada.call("PUT", "/api/issues/status", 200, json=change)
        eventually(lambda: any(event["company_name"] == "Contoso" for event in listening.events[received:]))
        return all(event["company_name"] == "Contoso" for event in listening.events[received:])

    eventually(only_visible_events_arrive)
    listening.close()


def test_a_webhook_is_sent_what_its_owner_sees(scene: World) -> None:
    ada, tess = scene.client("ada"), scene.client()
    ada.call("PUT", f"{USERS}/{user_id(scene, 'omar')}", 200, json={"role": "super_admin"})
    hook = {"url": "https://hooks.helpdesk.example/"}
    owned = scene.client("omar").call("POST", "/api/webhooks", 201, json=hook)["id"]
    of_all = ada.call("POST", "/api/webhooks", 201, json=hook)["id"]
    limit(scene, "Contoso", who="omar")
    both = [{"company_name": "Contoso"}, {"company_name": "Fabrikam"}]
    tess.call("POST", "/api/issues", 201, json={"name": "New", "companies": both})
    tess.call("POST", "/api/issues", 201, json={"name": "Newer", "companies": both[1:]})
    for status in ("resolved", "closed"):
        change = {"issue_name": "New", "status": status}
        tess.call("POST", "/api/issues/status/bulk", 200, json=change)
    tess.call("PUT", "/api/issues/New", 200, json={"description": "x"})
    tess.call("PUT", "/api/issues/Newer", 200, json={"description": "x"})

    def sent(webhook_id: int) -> list[tuple[str, list[str]]]:
        query = select(deliveries).where(deliveries.c.webhook_id == webhook_id).order_by(deliveries.c.id)
        with scene.database.read() as tx:
            messages = [msgspec.json.decode(row.body) for row in tx.execute(query)]
        return [
            (
                message["type"],
                [one["company_name"] for one in message["data"].get("assignments", message["data"].get("events", ()))]
                or [message["data"].get("company_name")],
            )
            for message in messages
        ]

    assert sent(owned) == [
        ("issue.created", ["Contoso"]),
        ("assignment.status_changed", ["Contoso"]),
        ("assignment.status_changed", ["Contoso"]),
        ("issue.updated", [None]),
    ]
    assert len(sent(of_all)) == 6
