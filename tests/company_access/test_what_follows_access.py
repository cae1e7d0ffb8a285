"""Times, validators, positions, streams, retries and webhooks respect the company access (contract, section 12)."""

from datetime import UTC, datetime, timedelta
from itertools import cycle

import msgspec
from sqlalchemy import select, update

from issue_tracker.database.tables import deliveries, users
from tests.company_access.limits import USERS, limit, names, set_access, user_id
from tests.events.listening import Listening
from tests.waiting import eventually
from tests.world import World


def test_hidden_changes_change_no_time_and_no_validator(scene: World) -> None:
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


def test_the_validator_of_a_list_changes_with_the_names_of_visible_owners_only(scene: World) -> None:
    ada = scene.client("ada")
    limit(scene, "Contoso")
    ada.call("PUT", "/api/issues/Shared", 200, json={"owner": "ada@helpdesk.example"})
    ada.call("PUT", "/api/issues/Hidden", 200, json={"owner": "omar@helpdesk.example"})
    tess, owners = scene.client(), "/api/users/{}"

    def seen() -> tuple[str, set[str]]:
        found = tess.get("/api/issues")
        return found.headers["etag"], {item["owner"]["name"] for item in found.json()["items"] if item["owner"]}

    scene.clock.advance(hours=3)
    before = seen()
    ada.call("PUT", owners.format(user_id(scene, "omar")), 200, json={"name": "Omar Farouk"})
    assert seen() == before
    ada.call("PUT", owners.format(user_id(scene, "ada")), 200, json={"name": "Ada King"})
    after = seen()
    assert after[0] != before[0] and after[1] == {"Ada King"}
    # A transaction that began before the last event may end after it.
    with scene.database.write() as tx:
        earlier = datetime(2000, 1, 1, tzinfo=UTC)
        tx.execute(update(users).where(users.c.name == "Ada King").values(updated_at=earlier))
    ada.call(
        "PUT", "/api/issues/status", 200, json={"issue_name": "Shared", "company_name": "Contoso", "status": "closed"}
    )
    before = seen()
    with scene.database.write() as tx:
        earlier = scene.clock.now() - timedelta(minutes=10)
        tx.execute(update(users).where(users.c.name == "Ada King").values(name="Ada Byron", updated_at=earlier))
    after = seen()
    assert after[0] != before[0] and after[1] == {"Ada Byron"}


def test_the_times_of_a_shared_issue_depend_only_on_visible_data(scene: World) -> None:
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


def test_a_synchronizing_client_receives_only_visible_changes(scene: World) -> None:
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


def test_the_deletion_of_a_visible_issue_is_reported(scene: World) -> None:
    limit(scene, "Contoso")
    tess, ada = scene.client(), scene.client("ada")
    query = {"issueName": "Shared", "companyName": "Contoso"}
    ada.call("DELETE", "/api/issues/status", 204, params=query)
    for name in ("Shared", "Own", "Hidden"):
        ada.call("DELETE", f"/api/issues/{name}", 204)
    found = tess.call("GET", "/api/events?type=issue.deleted", 200)["items"]
    assert [event["issue_name"] for event in found] == ["Own"]


def test_a_stored_response_is_repeated_only_for_the_same_access(scene: World) -> None:
    tess, key = scene.client(), {"Idempotency-Key": "again"}
    body = {"name": "New", "companies": [{"company_name": "Contoso"}, {"company_name": "Fabrikam"}]}
    tess.call("POST", "/api/issues", 201, json=body, headers=key)
    assert tess.post("/api/issues", json=body, headers=key).headers["Idempotent-Replayed"] == "true"
    limit(scene, "Contoso")
    tess.call("POST", "/api/issues", 422, json=body, headers=key)


def test_an_open_stream_follows_changes_of_the_access(scene: World) -> None:
    """Each of several changes takes effect at once, so none of them can just have met the regular check."""
    ada = scene.client("ada")
    group = ada.call("POST", "/api/company-groups", 201, json={"name": "Ours", "company_names": ["Contoso"]})
    statuses = cycle(["resolved", "monitoring"])

    def received(listening: Listening) -> set[str]:
        seen, status = len(listening.events), next(statuses)
        for company in ("Fabrikam", "Contoso"):
            change = {"issue_name": "Shared", "company_name": company, "status": status}
            ada.call("PUT", "/api/issues/status", 200, json=change)
        eventually(lambda: any(event["company_name"] == "Contoso" for event in listening.events[seen:]))
        return {event["company_name"] for event in listening.events[seen:]}

    with Listening(scene.client()) as listening:
        for _ in range(3):
            limit(scene, "Contoso")
            assert received(listening) == {"Contoso"}
            set_access(scene, "all")
            assert received(listening) == {"Contoso", "Fabrikam"}
        set_access(scene, {"company_groups": ["Ours"]})
        for companies in (["Contoso"], ["Contoso", "Fabrikam"], ["Contoso"]):
            path = f"/api/company-groups/{group['group_id']}"
            ada.call("PUT", path, 200, json={"company_names": companies})
            assert received(listening) == set(companies)


def test_an_open_stream_of_a_limited_token_remains_limited(scene: World) -> None:
    body = {"name": "one", "scopes": ["read"], "company_access": {"companies": ["Contoso"]}}
    made = scene.client().call("POST", "/api/auth/tokens", 201, json=body)
    program, ada = scene.anonymous(), scene.client("ada")
    program.headers["Authorization"] = f"Bearer {made['token']}"
    with Listening(program) as listening:
        limit(scene, "Fabrikam", who="omar")  # applies the present access of all listeners
        for company in ("Fabrikam", "Contoso"):
            change = {"issue_name": "Shared", "company_name": company, "status": "resolved"}
            ada.call("PUT", "/api/issues/status", 200, json=change)
        listening.until(lambda: bool(listening.events))
        assert [event["company_name"] for event in listening.events] == ["Contoso"]


def test_a_webhook_receives_only_what_its_owner_sees(scene: World) -> None:
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
    for companies in (["Contoso", "Fabrikam"], ["Fabrikam"]):
        body = {"issue_name": "New", "body": "Soon.", "public": True, "companies": companies}
        tess.call("POST", "/api/updates", 201, json=body)

    def sent(webhook_id: int) -> list[tuple[str, list[str]]]:
        query = select(deliveries).where(deliveries.c.webhook_id == webhook_id).order_by(deliveries.c.id)
        with scene.database.read() as tx:
            messages = [msgspec.json.decode(row.body) for row in tx.execute(query)]
        return [
            (
                message["type"],
                [one["company_name"] for one in message["data"].get("assignments", message["data"].get("events", ()))]
                or message["data"].get("company_names")
                or [message["data"].get("company_name")],
            )
            for message in messages
        ]

    assert sent(owned) == [
        ("issue.created", ["Contoso"]),
        ("assignment.status_changed", ["Contoso"]),
        ("assignment.status_changed", ["Contoso"]),
        ("issue.updated", [None]),
        ("update.created", ["Contoso"]),
    ]
    assert len(sent(of_all)) == 8

    messages = sent(owned)
    ada.call("PUT", f"{USERS}/{user_id(scene, 'omar')}", 200, json={"role": "customer"})
    tess.call("PUT", "/api/issues/New", 200, json={"description": "internal"})
    assert sent(owned) == messages and len(sent(of_all)) > len(messages)
