"""Merging one issue into another (contract, section 13)."""

from typing import Any

import pytest

from tests.clients import Client
from tests.company_access.limits import limit
from tests.issues.test_former_names import found, names, rename
from tests.world import World

MERGE = "/api/issues/merge"
REFERENCE = {"system": "PSA", "key": "T-1", "url": None}


@pytest.fixture
def scene(world: World) -> World:
    world.given_issue("Old", {"Contoso": "investigating", "Fabrikam": "resolved", "Acme Manufacturing": "closed"})
    world.given_issue("Kept", {"Contoso": "resolved", "Fabrikam": "new"})
    tess = world.client("tess")
    fields: dict[str, Any] = {"tags": ["wan"], "references": [REFERENCE], "external_key": "old", "severity": "high"}
    tess.call("PUT", "/api/issues/Old", 200, json=fields)
    tess.call("PUT", "/api/issues/Kept", 200, json={"tags": ["lan"], "severity": "low"})
    tess.call("POST", "/api/updates", 201, json={"issue_name": "Old", "body": "On it", "companies": ["Contoso"]})
    return world


def test_a_merge_keeps_the_less_finished_status(scene: World) -> None:
    tess = scene.client("tess")
    before = tess.call("GET", "/api/issues/Old?include=details", 200)
    events = len(scene.history())
    tried = tess.call("POST", MERGE, 200, json={"issue_name": "old", "into": "KEPT", "dry_run": True})
    assert names(tess) == ["Kept", "Old"] and len(scene.history()) == events
    scene.clock.advance(minutes=1)
    body, headers = {"external_key": "old", "into": "Kept"}, {"X-Request-ID": "merge"}
    merged = tess.call("POST", MERGE, 200, json=body, headers=headers)
    expected = {"Acme Manufacturing": "closed", "Contoso": "investigating", "Fabrikam": "new"}
    for answer in (tried, merged, tess.call("GET", "/api/issues/Kept", 200)):
        assert {one["company_name"]: one["status"] for one in answer["assignments"]} == expected
        assert (answer["tags"], answer["severity"], answer["external_key"]) == (["lan", "wan"], "low", "old")
        assert answer["references"] == [REFERENCE]
    # What the target got from the source is found and recorded.
    assert names(tess, "tag=wan&reference=T-1") == ["Kept"]
    recorded = tess.call("GET", "/api/events?requestId=merge&type=issue.updated", 200)["items"]
    assert [(event["field"], event["from"], event["to"]) for event in recorded] == [
        ("external_key", None, "old"),
        ("references", None, '[{"system":"PSA","key":"T-1","url":null}]'),
        ("tags", "lan", "lan, wan"),
        ("merged", "Old", "Kept"),
    ]
    # The source is no longer listed; its name and its number lead to the target, and its history is complete.
    assert names(tess) == ["Kept"] and names(tess, "words=old") == ["Kept"] and found(tess, "old") == "Kept"
    page = tess.get(f"/issues/{before['issue_id']}")
    assert (page.status_code, page.headers["Location"]) == (303, f"/issues/{merged['issue_id']}")
    [said] = tess.call("GET", "/api/updates?issueName=Kept", 200)["items"]
    assert (said["body"], said["issue_name"]) == ("On it", "Kept")
    of_old = tess.call("GET", "/api/events?issueName=Old&after=0", 200)["items"]
    assert of_old[0]["type"] == "issue.created" and of_old[-1]["type"] == "issue.deleted"
    assert of_old[-1]["to"] == "Kept" and "merged" in tess.get(f"/issues/{merged['issue_id']}").text
    # A second merge also moves the names of the first one.
    scene.given_issue("Last", {"Contoso": "closed"})
    tess.call("POST", MERGE, 200, json={"issue_name": "Kept", "into": "Last"})
    assert found(tess, "Old") == found(tess, "Kept") == "Last"
    assert (
        tess.get(f"/issues/{before['issue_id']}").headers["Location"]
        == tess.get(f"/issues/{merged['issue_id']}").headers["Location"]
    )


def test_a_merge_keeps_the_start_of_the_outage(world: World) -> None:
    tess = world.client("tess")

    def since(issue: str) -> dict[str, str | None]:
        members = tess.call("GET", f"/api/issues/{issue}?include=details", 200)["assignments"]
        return {one["company_name"]: one["affected_since"] for one in members}

    world.given_issue("Kept", {"Fabrikam": "in_progress"})
    first = since("Kept")
    world.clock.advance(hours=1)
    old = {"Contoso": "investigating", "Fabrikam": "new", "Acme Manufacturing": "new", "Zürich (Nord)": "new"}
    world.given_issue("Old", old)
    second = since("Old")
    world.clock.advance(hours=1)
    # An archived company keeps its assignments.
    archived = world.given_companies("Zürich (Nord)")["Zürich (Nord)"]
    world.client("ada").call("PUT", f"/api/companies/{archived}", 200, json={"archived": True})
    for company, status in (("Contoso", "resolved"), ("Acme Manufacturing", "monitoring")):
        body = {"issue_name": "Kept", "company_name": company, "status": status}
        tess.call("PUT", "/api/issues/status", 200, json=body)
    world.clock.advance(hours=1)
    tess.call("POST", MERGE, 200, json={"issue_name": "Old", "into": "Kept"})
    assert since("Kept") == {**second, **first}
    world.given_customer("cara", "Contoso")
    [contoso] = world.client("cara").call("GET", "/api/portal/issues/Kept", 200)["assignments"]
    assert contoso["since"] == contoso["updated_at"] == second["Contoso"]


def test_a_merge_records_the_owners_and_references_that_assignments_get(world: World) -> None:
    tess = world.client("tess")
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "new"})
    world.given_issue("Copy", {"Contoso": "new", "Fabrikam": "new"})
    for name, owner in (("Fault", "tess"), ("Copy", "omar")):
        fabrikam = {"issue_name": name, "company_name": "Fabrikam", "status": "new"}
        tess.call("PUT", "/api/issues/status", 200, json={**fabrikam, "owner": f"{owner}@helpdesk.example"})
    owned = {"issue_name": "Copy", "company_name": "Contoso", "status": "new", "owner": "omar@helpdesk.example"}
    tess.call("PUT", "/api/issues/status", 200, json={**owned, "references": [REFERENCE]})
    last = tess.call("GET", "/api/events?limit=1", 200)["items"][0]["event_id"]
    merged = tess.call("POST", MERGE, 200, json={"issue_name": "Copy", "into": "Fault"})
    assert merged["assignments"][0]["updated_at"] == merged["updated_at"]
    found = tess.call("GET", f"/api/events?type=assignment.updated&after={last}", 200)["items"]
    assert [(one["issue_name"], one["company_name"], one["field"]) for one in found] == [
        ("Fault", "Contoso", field) for field in ("owner", "references")
    ]


def test_updates_of_a_merged_issue_remain_for_its_companies(world: World) -> None:
    """They may name customers, and other customers of the remaining issue must not read them."""
    tess = world.client("tess")
    for name, companies in (("Old", {"Fabrikam": "new"}), ("Kept", {"Contoso": "new"}), ("Empty", {})):
        world.given_issue(name, companies)
        tess.call("POST", "/api/updates", 201, json={"issue_name": name, "body": f"About {name}", "public": True})
    world.given_customer("cara", "Contoso")
    for name in ("Old", "Empty"):
        tess.call("POST", MERGE, 200, json={"issue_name": name, "into": "Kept"})
    listed = tess.call("GET", "/api/updates?issueName=Kept", 200)["items"]
    assert {one["body"]: one["company_names"] for one in listed} == {
        "About Old": ["Fabrikam"],
        "About Kept": None,
        "About Empty": None,
    }
    limit(world, "Contoso", who="omar")
    for client, path in ((world.client("cara"), "/api/portal/updates"), (world.client("omar"), "/api/updates")):
        assert {one["body"] for one in client.call("GET", path, 200)["items"]} == {"About Kept", "About Empty"}
    assert "About Old" not in world.client("omar").get("/api/events?limit=500").text
    # If the remaining issue has no other companies, they remain for all.
    world.given_issue("Narrow", {"Contoso": "new"})
    world.client("ada").call("POST", MERGE, 200, json={"issue_name": "Kept", "into": "Narrow"})
    listed = world.client("ada").call("GET", "/api/updates?issueName=Narrow", 200)["items"]
    assert [one["company_names"] for one in listed] == [None, None, ["Fabrikam"]]


def test_the_names_of_a_merged_issue_are_known_only_with_one_of_its_companies(world: World) -> None:
    """They may name customers, and are secret as long as the merged issue was hidden."""
    ada = world.client("ada")
    world.given_issue("Beforehand", {"Fabrikam": "new"})
    old_id = ada.call("GET", "/api/issues/Beforehand", 200)["issue_id"]
    rename(ada, "Beforehand", "Offline")
    kept_id = world.given_issue("Outage", {"Contoso": "new", "Acme Manufacturing": "new"})
    rename(ada, "Outage", "Total outage")
    limit(world, "Contoso", who="omar")
    limit(world, "Fabrikam", "Contoso", who="tess")
    ada.call("POST", MERGE, 200, json={"issue_name": "Offline", "into": "Total outage"})

    def knows(client: Client, name: str) -> list[bool]:
        similar = client.call("GET", f"/api/similar-issues?name={name}", 200)["items"]
        searched = client.get(f"/api/events?issueName={name}")
        return [
            found(client, name) == "Total outage",
            names(client, f"words={name}") == ["Total outage"],
            any(one["former_name"] == name for one in similar),
            name in client.get(f"/find?q={name}").text.partition("<ul")[2],
            searched.status_code == 200 and name in searched.text,
        ]

    for who, seen in (("ada", True), ("tess", True), ("omar", False)):
        client = world.client(who)
        assert [knows(client, name) for name in ("Beforehand", "Offline")] == [[seen] * 5] * 2, who
        assert found(client, "Outage") == "Total outage", "the issue itself had this name"
        assert client.get(f"/issues/{old_id}").status_code == (303 if seen else 404)
        merged = [event["from"] for event in client.call("GET", "/api/events?type=issue.updated", 200)["items"]]
        assert ("Offline" in merged, "Offline" in client.get(f"/issues/{kept_id}").text) == (seen, seen)
    # Another merge keeps the names as secret as they were.
    world.given_issue("Last", {"Contoso": "closed"})
    ada.call("POST", MERGE, 200, json={"issue_name": "Total outage", "into": "Last"})
    tess, omar = world.client("tess"), world.client("omar")
    assert [found(tess, name) for name in ("Offline", "Outage")] == ["Last", "Last"]
    assert [found(omar, name) for name in ("Offline", "Outage", "Total outage")] == [None, "Last", "Last"]


def test_a_merge_changes_no_other_issue(scene: World) -> None:
    tess = scene.client("tess")
    copy = scene.given_issue("Copy", {"Contoso": "new"})
    scene.given_issue("Was apart", {"Contoso": "new"})
    rename(tess, "Was apart", "Apart")
    tess.call("POST", MERGE, 200, json={"issue_name": "Copy", "into": "Apart"})
    tess.call("PUT", "/api/issues/Apart", 200, json={"tags": ["far"]})
    tess.call("POST", "/api/updates", 201, json={"issue_name": "Apart", "body": "Elsewhere"})

    def alert(key: str, state: str = "firing") -> str:
        company = "Zürich (Nord)" if key == "Old" else "Contoso"
        body = {"key": key, "state": state, "issue": key, "company": company}
        return str(tess.call("POST", "/api/alerts", 200, json=body)["action"])

    assert [alert(key) for key in ("Old", "Unchanged", "Changed")] == ["assigned", "opened", "opened"]
    moved = {"issue_name": "Changed", "company_name": "Contoso", "status": "monitoring"}
    tess.call("PUT", "/api/issues/status", 200, json=moved)
    paths = (
        *("/api/issues/Apart?include=details", "/api/issues/Was apart", "/api/issues/Copy", "/api/issues?tag=far"),
        *("/api/updates?issueName=Apart", "/api/events?issueName=Apart", f"/issues/{copy}"),
    )

    def seen() -> list[tuple[str, str | None]]:
        found = [tess.get(path) for path in paths]
        return [("etag", found[0].headers["etag"]), *((one.text, one.headers.get("location")) for one in found)]

    before = seen()
    tess.call("POST", MERGE, 200, json={"issue_name": "Old", "into": "Kept"})
    assert [one for one, other in zip(before, seen(), strict=True) if one != other] == []
    # Alerts still clear what they opened, unless a person has changed it.
    assert [alert(key, "resolved") for key in ("Unchanged", "Changed")] == ["cleared", "kept"]


def test_an_invalid_merge_changes_nothing(scene: World) -> None:
    tess = scene.client("tess")
    for body, status in (
        ({"issue_name": "Old", "into": "old"}, 400),
        ({"issue_name": "Old"}, 400),
        ({"issue_name": "Old", "into": "Nothing"}, 404),
        ({"issue_name": "Nothing", "into": "Kept"}, 404),
        ({"into": "Kept"}, 400),
    ):
        tess.call("POST", MERGE, status, json=body)
    limit(scene, "Contoso")
    tess.call("POST", MERGE, 403, json={"issue_name": "Old", "into": "Kept"})
    assert names(scene.client("omar")) == ["Kept", "Old"]


def test_a_merged_issue_has_at_most_fifty_tags_and_references(scene: World) -> None:
    tess = scene.client("tess")
    source = tess.call("GET", "/api/issues/Old", 200)["issue_id"]

    def references(system: str, count: int) -> list[dict[str, str]]:
        return [{"system": system, "key": str(number)} for number in range(count)]

    def refer(name: str, count: int) -> None:
        contoso = {"issue_name": name, "company_name": "Contoso", "status": "new"}
        tess.call("PUT", "/api/issues/status", 200, json={**contoso, "references": references(name, count)})

    for name, tags in (("Old", range(50)), ("Kept", range(1, 51))):
        refer(name, 26)
        fields = {"tags": [str(tag) for tag in tags], "references": references(name, 30)}
        tess.call("PUT", f"/api/issues/{name}", 200, json=fields)
    body = {"issue_name": "Old", "into": "Kept"}
    events = len(scene.history())
    expected = [
        "the remaining issue would have 51 tags; at most 50 are possible",
        "the remaining issue would have 60 references; at most 50 are possible",
        "“Contoso” in the remaining issue would have 52 references; at most 50 are possible",
    ]
    for refused in (tess.call("POST", MERGE, 400, json={**body, "dry_run": trial}) for trial in (False, True)):
        assert [error["message"] for error in refused["errors"]] == expected
        assert [error["field"] for error in refused["errors"]] == ["tags", "references", "references"]
    preview = tess.get(f"/issues/{source}/merge", params={"into": "Kept"})
    assert preview.status_code == 400 and expected[0] in preview.text
    assert tess.post(f"/issues/{source}/merge", data={"into": "Kept"}).status_code == 400
    assert names(tess) == ["Kept", "Old"] and len(scene.history()) == events
    tess.call("PUT", "/api/issues/Old", 200, json={"tags": ["1"], "references": references("Kept", 30)})
    refer("Old", 24)
    merged = tess.call("POST", MERGE, 200, json=body)
    assert (len(merged["tags"]), len(merged["references"])) == (50, 30)


def test_an_issue_may_be_named_merge(world: World) -> None:
    tess = world.client("tess")
    world.given_issue("merge", {"Contoso": "new"})
    assert found(tess, "merge") == "merge"
    tess.call("PUT", MERGE, 200, json={"description": "x"})
    world.client("ada").call("DELETE", MERGE, 204)
    assert found(tess, "merge") is None


def test_a_merge_on_the_pages_cannot_be_undone(scene: World) -> None:
    tess = scene.client("tess")
    source = tess.call("GET", "/api/issues/Old", 200)["issue_id"]
    target = tess.call("GET", "/api/issues/Kept", 200)["issue_id"]
    page = f"/issues/{source}/merge"
    assert "Preview" in tess.get(page).text
    assert tess.get(page, params={"into": "Nothing"}).status_code == 404
    assert tess.get(page, params={"into": "old"}).status_code == 400
    assert tess.get(page, params={"target": "kept"}).status_code == 422
    preview = tess.get(page, params={"into": "kept"}).text
    assert "This cannot be undone." in preview and "Acme Manufacturing" in preview
    done = tess.post(page, data={"into": "Kept"}, headers={"X-Request-ID": "merging"})
    assert (done.status_code, done.headers["Location"]) == (303, f"/issues/{target}")
    assert names(tess) == ["Kept"]
    assert tess.post("/undo", data={"request_id": "merging"}).status_code == 400
