"""The portal: a customer sees the issues of the own companies, and nothing else (contract, section 12)."""

import base64
import re
from typing import Any

import pytest
from sqlalchemy import insert, select

from issue_tracker.database.tables import updates, users
from issue_tracker.settings import Settings
from tests.cases import cases
from tests.company_access.limits import set_access, user_id
from tests.engines import decided_in_python
from tests.server import serving
from tests.shared import Shared
from tests.world import CAST, PASSWORD, Clock, World

PORTAL = "/api/portal/issues"
UPDATES = "/api/portal/updates"
SECRETS = ("Fabrikam", "internal", "Tess", "Ada", "Hidden")


@pytest.fixture
def scene(world: World) -> World:
    """An issue of the customer's company and of another one, two issues of each alone, and texts of technicians."""
    world.given_customer("cara", "Contoso", "Zürich (Nord)")
    world.given_issue("Shared", {"Contoso": "new", "Fabrikam": "closed", "Zürich (Nord)": "resolved"}, "internal")
    world.given_issue("Own/alone", {"Contoso": "resolved"}, "internal")
    world.given_issue("Hidden", {"Fabrikam": "new"})
    world.given_issue("Idle")
    change = {"issue_name": "Shared", "company_name": "Contoso", "status": "monitoring", "note": "internal note"}
    world.client("tess").call("PUT", "/api/issues/status", 200, json=change)
    return world


def test_a_customer_sees_the_own_companies_without_internal_texts(scene: World) -> None:
    cara = scene.client("cara")
    response = cara.get(PORTAL)
    found = response.json()
    assert found["total"] == 2 and [issue["name"] for issue in found["items"]] == ["Own/alone", "Shared"]
    shared = found["items"][1]
    assert set(shared) == {"name", "updated_at", "assignments"}
    contoso, zurich = shared["assignments"]
    assert set(contoso) == {"company_name", "status", "status_label", "since", "updated_at"}
    assert (contoso["company_name"], contoso["status_label"]) == ("Contoso", "Monitoring")
    assert contoso["since"] < contoso["updated_at"] == shared["updated_at"]
    assert zurich["since"] == zurich["updated_at"]
    assert not any(word in response.text for word in (*SECRETS, "_id"))
    assert cara.call("GET", f"{PORTAL}/shared", 200) == shared
    assert cara.call("GET", f"{PORTAL}/OWN%2Falone", 200)["assignments"][0]["status"] == "resolved"
    unknown = cara.call("GET", f"{PORTAL}/Nobody", 404)["detail"]
    for name in ("Hidden", "Idle"):
        assert cara.call("GET", f"{PORTAL}/{name}", 404)["detail"] == unknown.replace("Nobody", name)


@cases(
    ("query", "expected"),
    [
        ("?open=true", {"Shared": ["Contoso"]}),
        ("?open=false", {"Own/alone": ["Contoso"], "Shared": ["Zürich (Nord)"]}),
        ("?status=resolved&companyName=CONTOSO", {"Own/alone": ["Contoso"]}),
        ("?status=new", {}),
        ("?status=monitoring&open=false", {}),
        ("?updatedSince=2001-01-01T00:00:00Z&open=true", {"Shared": ["Contoso"]}),
        ("?updatedSince=2099-01-01T00:00:00Z", {}),
    ],
)
def test_the_list_can_be_filtered(scene: World, query: str, expected: dict[str, list[str]]) -> None:
    found = scene.client("cara").call("GET", PORTAL + query, 200)
    listed = {item["name"]: [one["company_name"] for one in item["assignments"]] for item in found["items"]}
    assert listed == expected and found["total"] == len(expected)


@decided_in_python
def test_an_invalid_filter_is_rejected(scene: World) -> None:
    cara = scene.client("cara")
    for query in ("?status=gone", "?search=internal", "?limit=0", "?cursor=%C3%A9", "?cursor=AA"):
        cara.call("GET", PORTAL + query, 422)
    for name in ("Fabrikam", "Nobody"):
        refused = cara.call("GET", PORTAL, 404, params={"companyName": name})
        assert refused["detail"] == f"There is no company called “{name}”."


def test_pages_of_the_list_contain_every_issue_once(scene: World) -> None:
    for number in range(5):
        scene.given_issue(f"Fault {number}", {"Contoso": "new", "Zürich (Nord)": "new"})
    cara, path, names = scene.client("cara"), f"{PORTAL}?limit=2&open=true", []
    for _ in range(3):
        response = cara.get(path)
        assert response.json()["total"] == 6
        names += [item["name"] for item in response.json()["items"]]
        path = response.links["next"]["url"] if "next" in response.links else ""
    assert not path and names == [*(f"Fault {number}" for number in range(5)), "Shared"]


def test_the_times_of_the_portal_are_those_of_the_outage_and_the_status(scene: World) -> None:
    cara, tess = scene.client("cara"), scene.client("tess")
    contoso = {"issue_name": "Shared", "company_name": "Contoso"}

    def times() -> tuple[str, str]:
        found = cara.call("GET", f"{PORTAL}/Shared", 200)["assignments"][0]
        return found["since"], found["updated_at"]

    first, changed = times()
    # Internal data about the assignment does not change the customer's times.
    before = cara.get(PORTAL)
    scene.clock.advance(minutes=1)
    tess.call("PUT", "/api/issues/status", 200, json={**contoso, "status": "monitoring", "owner": CAST["tess"][0]})
    assert times() == (first, changed)
    assert cara.get(PORTAL, headers={"If-None-Match": before.headers["etag"]}).status_code == 304
    since = {"updatedSince": scene.clock.now().isoformat()}
    assert cara.call("GET", PORTAL, 200, params=since)["total"] == 0

    tess.call("PUT", "/api/issues/status", 200, json={**contoso, "status": "closed"})
    assert times()[0] == first and times()[1] > changed
    assert cara.call("GET", PORTAL, 200, params=since)["total"] == 1
    assert "no longer" in cara.get("/portal/issues/Shared").text
    scene.clock.advance(minutes=1)
    tess.call("PUT", "/api/issues/status", 200, json={**contoso, "status": "new"})
    assert times()[0] == times()[1] > first  # the current outage


def test_a_former_name_finds_an_issue_that_the_customer_knew_by_it(scene: World) -> None:
    cara, tess = scene.client("cara"), scene.client("tess")

    def rename(name: str, new: str) -> None:
        scene.clock.advance(minutes=1)
        tess.call("PUT", f"/api/issues/{name}", 200, json={"new_name": new})

    rename("Shared", "Lines down")
    rename("Lines down", "Both lines down")
    for name in ("SHARED", "lines down"):
        assert cara.call("GET", f"{PORTAL}/{name}", 200)["name"] == "Both lines down"
    assert "Both lines down" in cara.get("/portal/issues/shared").text
    tess.call("POST", "/api/updates", 201, json={"issue_name": "Both lines down", "body": "News", "public": True})
    assert cara.call("GET", UPDATES, 200, params={"issueName": "lines down"})["total"] == 1

    # A name that was given up before the customer's company was assigned, and the name of a merged issue.
    rename("Hidden", "Neutral")
    tess.call("PUT", "/api/issues/Neutral", 200, json={"add_companies": [{"company_name": "Contoso"}]})
    scene.given_issue("Only Fabrikam", {"Fabrikam": "new"})
    rename("Only%20Fabrikam", "Fabrikam alone")
    tess.call("POST", "/api/issues/merge", 200, json={"issue_name": "Fabrikam alone", "into": "Neutral"})
    assert cara.call("GET", f"{PORTAL}/Neutral", 200)["name"] == "Neutral"
    unknown = cara.call("GET", f"{PORTAL}/Nobody", 404)["detail"]
    for name in ("Hidden", "Only Fabrikam", "Fabrikam alone"):
        assert cara.call("GET", f"{PORTAL}/{name}", 404)["detail"] == unknown.replace("Nobody", name)
    # The name of a merged issue to which the customer's company was assigned leads to the target.
    scene.given_issue("Own fault", {"Contoso": "new"})
    tess.call("POST", "/api/issues/merge", 200, json={"issue_name": "Own fault", "into": "Neutral"})
    assert cara.call("GET", f"{PORTAL}/Own%20fault", 200)["name"] == "Neutral"
    # An issue that takes a former name is found by it.
    tess.call("POST", "/api/issues", 201, json={"name": "Shared"})
    cara.call("GET", f"{PORTAL}/Shared", 404)


def test_no_etag_reveals_hidden_changes_to_a_customer(scene: World) -> None:
    cara, tess = scene.client("cara"), scene.client("tess")
    etags = {path: cara.get(path).headers["etag"] for path in (PORTAL, f"{PORTAL}/Shared")}
    tess.call("PUT", "/api/issues/Shared", 200, json={"description": "internal, and more"})
    change = {"issue_name": "Shared", "company_name": "Fabrikam", "status": "new", "note": "Hidden"}
    tess.call("PUT", "/api/issues/status", 200, json=change)
    for path, etag in etags.items():
        assert cara.get(path, headers={"If-None-Match": etag}).status_code == 304
    tess.call("PUT", "/api/issues/status", 200, json=change | {"company_name": "Contoso"})
    for path, etag in etags.items():
        assert cara.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_public_updates_for_the_own_companies_are_shown(scene: World) -> None:
    tess, cara = scene.client("tess"), scene.client("cara")
    said = [
        ("internal text", False, None),
        ("For **everybody** <i>", True, None),
        ("For Contoso", True, ["Contoso", "Fabrikam"]),
        ("Hidden text", True, ["Fabrikam"]),
    ]
    for body, public, companies in said:
        scene.clock.advance(minutes=1)
        update = {"issue_name": "Shared", "body": body, "public": public, "companies": companies}
        tess.call("POST", "/api/updates", 201, json=update)
    tess.call("POST", "/api/updates", 201, json={"issue_name": "Hidden", "body": "Hidden text", "public": True})
    response = cara.get(UPDATES)
    found = response.json()
    assert found["total"] == 2 and [one["body"] for one in found["items"]] == ["For Contoso", "For **everybody** <i>"]
    assert [one["company_names"] for one in found["items"]] == [["Contoso"], None]
    shown = {"issue_name", "body", "company_names", "at", "edited_at", "author_name"}
    assert all(set(one) == shown and one["author_name"] is None for one in found["items"])
    assert not any(word in response.text for word in (*SECRETS, "_id"))
    first = cara.get(UPDATES, params={"limit": 1, "issueName": "shared"})
    assert first.json() == {"items": found["items"][:1], "total": 2}
    second = cara.get(first.links["next"]["url"])
    assert second.json() == {"items": found["items"][1:], "total": 2} and "next" not in second.links
    before = {"limit": 1, "before": found["items"][0]["at"]}
    assert cara.call("GET", UPDATES, 200, params=before) == {"items": found["items"][1:], "total": 1}
    zurich = cara.call("GET", UPDATES, 200, params={"companyName": "Zürich (Nord)"})
    assert zurich["items"] == found["items"][1:]
    for query in ({"issueName": "Hidden"}, {"companyName": "Fabrikam"}):
        cara.call("GET", UPDATES, 404, params=query)
    for text in ("", "now 1", "2026-01-01 1", "2026-01-01T10:00:00+00:00 0", "2026-01-01T10:00:00+00:00 -1"):
        cara.call("GET", UPDATES, 422, params={"cursor": base64.urlsafe_b64encode(text.encode()).decode() or "7"})

    page, issue = cara.get("/portal").text, cara.get("/portal/issues/Shared").text
    assert "For Contoso" in page and "<strong>everybody</strong> &lt;i&gt;" in issue
    assert not any(word in page + issue for word in ("Fabrikam", "internal", "Tess", "Hidden"))


def test_the_list_shows_the_latest_update_of_each_open_issue(scene: World) -> None:
    """However many updates of other issues followed it, and beside newer ones for another company only."""
    scene.given_issue("Busy", {"Contoso": "new"})
    tess, cara = scene.client("tess"), scene.client("cara")
    long = "The *carrier* [repairs](https://example.com/) it. " * 20
    news = [("Shared", long, None), ("Shared", "Only there", ["Fabrikam"]), ("Busy", "First", None)]
    for issue, body, companies in news:
        sent = {"issue_name": issue, "body": body, "public": True, "companies": companies}
        tess.call("POST", "/api/updates", 201, json=sent)
    with scene.database.write() as tx:
        [row] = tx.execute(select(updates).where(updates.c.body == "First")).mappings()
        copied = {name: value for name, value in row.items() if name != "update_id"}
        tx.execute(insert(updates), [copied | {"body": f"Number {number}"} for number in range(501)])
    page = cara.get("/portal").text
    assert "Number 500" in page and "Number 499" not in page and "Only there" not in page
    [text] = re.findall("The carrier repairs.*?</p>", page)
    assert 230 < len(text) <= 240 + len("</p>") and text.endswith("…</p>")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_first_names_are_shown_if_the_setting_allows_it(shared: Shared, engine: str, clock: Clock) -> None:
    settings = Settings(database_url=shared.migrated(engine), log_level="error", portal_first_names=True)
    with serving(settings) as server:
        world = World(server, clock)
        world.given_customer("cara", "Contoso")
        world.given_issue("Fault", {"Contoso": "new"})
        update = {"issue_name": "Fault", "body": "News", "public": True}
        world.client("tess").call("POST", "/api/updates", 201, json=update)
        world.bearer("tess").call("POST", "/api/updates", 201, json=update)
        found = world.client("cara").call("GET", UPDATES, 200)["items"]
        assert [one["author_name"] for one in found] == [None, "Tess"]
        page = world.client("cara").get("/portal/issues/Fault").text
        assert ">Tess</bdi>" in page and "Ngo" not in page
        world.close()


def test_a_customer_is_refused_everything_else(scene: World) -> None:
    cara, token = scene.client("cara"), scene.bearer("cara")
    for client in (cara, token):
        assert client.call("GET", PORTAL, 200)["total"] == 2
        for path in ("/api/issues", "/api/issues/Shared", "/api/companies", "/api/events", "/api/events/stream"):
            client.call("GET", path, 403)
        client.call("GET", "/api/nothing", 403)
        client.call("GET", "/api/portal/nothing", 404)
        client.call("DELETE", PORTAL, 405)
    cara.call("POST", "/api/auth/tokens", 403, json={"name": "mine", "scopes": ["read"]})
    for who in ("tess", "ada", "mia"):
        scene.client(who).call("GET", PORTAL, 403)


def test_a_customer_never_sees_all_companies(scene: World) -> None:
    ada, path = scene.client("ada"), "/api/users"
    refused = set_access(scene, "all", "cara", 400)
    assert [error["field"] for error in refused["errors"]] == ["company_access"]
    made = ada.call("POST", path, 201, json={"email": "cy@c.example", "name": "Cy", "role": "customer"})
    nothing: dict[str, Any] = {"company_groups": [], "companies": []}
    shown = {user["user_id"]: user["company_access"] for user in ada.call("GET", path, 200)["items"]}
    assert shown[made["user_id"]] == nothing

    omar = f"{path}/{user_id(scene, 'omar')}"
    ada.call("PUT", omar, 400, json={"role": "customer", "company_access": "all"})
    assert scene.client("omar").call("GET", "/api/issues", 200)["total"] == 4
    changed = ada.call("PUT", omar, 200, json={"role": "customer"})
    assert (changed["role"], changed["company_access"]) == ("customer", nothing)
    assert scene.client("omar").call("GET", PORTAL, 200)["total"] == 0
    ada.call("PUT", omar, 200, json={"company_access": {"companies": ["Fabrikam"]}})
    assert [issue["name"] for issue in scene.client("omar").call("GET", PORTAL, 200)["items"]] == ["Hidden", "Shared"]
    ada.call("PUT", omar, 200, json={"role": "technician", "company_access": "all"})
    assert scene.client("omar").call("GET", "/api/issues", 200)["total"] == 4
    with scene.database.write() as tx:
        tx.execute(users.update().where(users.c.email == "cara@customer.example").values(all_companies=True))
    assert scene.client("cara").call("GET", PORTAL, 200) == {"items": [], "total": 0}


def test_signing_in_leads_a_customer_to_the_portal(scene: World) -> None:
    for target, expected in (
        ("", "/portal"),
        ("/?open=true", "/portal"),
        ("/issues/1", "/portal"),
        ("/portal/issues/Shared", "/portal/issues/Shared"),
        ("/account", "/account"),
    ):
        form = {"email": "cara@customer.example", "password": PASSWORD, "next": target}
        assert scene.anonymous().post("/login", data=form).headers["location"] == expected
    cara = scene.client("cara")
    page = cara.get("/portal")
    assert "Shared" in page.text and "/portal/issues/Own%2Falone" in page.text
    assert not any(word in page.text + cara.get("/portal/issues/shared").text for word in (*SECRETS, "no connection"))
    assert 'href="/portal"' in cara.get("/matrix", headers={"Accept": "text/html"}).text
    assert 'content="0"' in cara.get("/account").text
