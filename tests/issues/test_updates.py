"""Updates: texts on issues, for all or some of their companies, internal or public (contract, section 13)."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from issue_tracker.database.tables import deliveries
from tests.cases import cases
from tests.clients import Client
from tests.company_access.limits import limit
from tests.engines import decided_in_python
from tests.world import World

UPDATES = "/api/updates"
FIELDS = ["update_id", "issue_name", "body", "public", "company_names", "at", "actor", "edited_at"]


@pytest.fixture
def scene(world: World) -> World:
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "investigating", "Acme Manufacturing": "closed"})
    world.given_issue("Other", {"Contoso": "new"})
    return world


def say(client: Client, expected: int = 201, **body: Any) -> Any:
    return client.call("POST", UPDATES, expected, json={"issue_name": "Fault", "body": "Fibre is broken", **body})


def said(client: Client, query: str = "") -> list[str]:
    """Returns the texts of a list, the newest first."""
    found = client.call("GET", f"{UPDATES}{query}", 200)
    assert found["total"] == len(found["items"])
    return [update["body"] for update in found["items"]]


def statuses(client: Client) -> dict[str, str]:
    found = client.call("GET", "/api/issues/Fault", 200)["assignments"]
    return {one["company_name"]: one["status"] for one in found}


def events(client: Client) -> list[dict[str, Any]]:
    """Returns the events about updates, the oldest first."""
    found = client.call("GET", "/api/events?after=0&limit=500", 200)["items"]
    return [event for event in found if event["update_id"] is not None]


def messages(world: World, webhook_id: int) -> list[tuple[str, str | None, Any]]:
    """Returns the messages to a webhook: types, texts, and the names of companies."""
    with world.database.read() as tx:
        query = select(deliveries.c.body).where(deliveries.c.webhook_id == webhook_id).order_by(deliveries.c.id)
        found = [json.loads(body) for body in tx.execute(query).scalars()]
    return [(one["type"], one["data"]["note"], one["data"].get("company_names", "absent")) for one in found]


def test_an_update_is_added_read_edited_and_withdrawn(scene: World) -> None:
    tess = scene.client("tess")
    before = tess.get("/api/issues/Fault")
    made = say(tess, body="  Fibre *is* broken\r\nNext at 4 ")
    assert list(made) == FIELDS
    assert made | {"update_id": 0, "at": ""} == {
        "update_id": 0,
        "issue_name": "Fault",
        "body": "Fibre *is* broken\nNext at 4",
        "public": False,
        "company_names": None,
        "at": "",
        "actor": {"id": made["actor"]["id"], "name": "Tess Ngo", "channel": "session"},
        "edited_at": None,
    }
    path = f"{UPDATES}/{made['update_id']}"
    assert tess.call("PUT", path, 200, json={}) == made == tess.call("PUT", path, 200, json={"body": made["body"]})
    scene.clock.advance(minutes=1)
    edited = tess.call("PUT", path, 200, json={"body": "Repaired", "public": True})
    assert edited == made | {"body": "Repaired", "public": True, "edited_at": edited["edited_at"]}
    assert edited["edited_at"] > made["at"] and tess.call("GET", UPDATES, 200)["items"] == [edited]
    tess.call("DELETE", path, 204)
    assert said(tess) == []
    for method in ("PUT", "DELETE"):
        options = {"json": {"body": "x"}} if method == "PUT" else {}
        tess.call(method, path, 404, **options)
    # The history contains every text; the issue is unchanged.
    assert [(event["type"], event["from"], event["to"], event["note"]) for event in events(tess)] == [
        ("update.created", None, "internal", made["body"]),
        ("update.edited", "internal", "public", "Repaired"),
        ("update.deleted", "public", None, None),
    ]
    after = tess.get("/api/issues/Fault")
    assert (after.json(), after.headers["ETag"]) == (before.json(), before.headers["ETag"])


def test_an_update_sets_the_status_of_its_companies_in_one_operation(scene: World) -> None:
    tess = scene.client("tess")
    assert say(tess, status="resolved")["company_names"] is None
    everyone = {"Acme Manufacturing": "closed", "Contoso": "resolved", "Fabrikam": "resolved"}
    assert statuses(tess) == everyone  # as in bulk changes, closed assignments remain closed
    some = say(tess, companies=["o’neill’s bar", "ACME manufacturing"], status="Monitoring")
    assert some["company_names"] == ["Acme Manufacturing", "O’Neill’s Bar"]
    assert statuses(tess) == everyone | {"Acme Manufacturing": "monitoring", "O’Neill’s Bar": "monitoring"}
    requests = {event["request_id"]: [] for event in events(tess)}  # type: ignore[var-annotated]  # events have any fields
    for event in tess.call("GET", "/api/events?issueName=Fault", 200)["items"]:
        requests.get(event["request_id"], []).append(event["type"])
    moved = "assignment.status_changed"
    assert list(requests.values()) == [
        ["update.created", moved, moved],
        ["update.created", moved, "assignment.created"],
    ]


def test_leaving_out_a_company_does_not_reopen_the_closed_ones(scene: World) -> None:
    tess = scene.client("tess")
    before = statuses(tess)
    assert before["Acme Manufacturing"] == "closed"
    say(tess, exclude=["Contoso"], status="resolved")
    assert statuses(tess) == before | {"Fabrikam": "resolved"}
    path = f"/issues/{tess.call('GET', '/api/issues/Fault', 200)['issue_id']}/updates"
    assert tess.post(path, data={"body": "Done", "exclude": "Fabrikam", "status": "resolved"}).status_code == 303
    assert statuses(tess) == before | {"Contoso": "resolved", "Fabrikam": "resolved"}


def test_a_group_does_not_reopen_its_closed_companies(scene: World) -> None:
    tess = scene.client("tess")
    before = statuses(tess)
    group = {"name": "North", "company_names": ["Acme Manufacturing", "Contoso", "O’Neill’s Bar"]}
    scene.client("ada").call("POST", "/api/company-groups", 201, json=group)
    said_to = say(tess, company_groups=["North"], status="monitoring")["company_names"]
    assert said_to == ["Acme Manufacturing", "Contoso"]
    assert statuses(tess) == before | {"Contoso": "monitoring"}
    say(tess, companies=["Fabrikam"], company_groups=["North"], status="in_progress")
    assert statuses(tess) == before | {"Contoso": "in_progress", "Fabrikam": "in_progress"}
    found = tess.call("PUT", "/api/issues/Fault", 200, json={"company_groups": ["North"]})["assignments"]
    assert found[0]["status"] == "closed" == before["Acme Manufacturing"]
    say(tess, companies=["Acme Manufacturing"], company_groups=["North"], status="monitoring")
    assert statuses(tess)["Acme Manufacturing"] == "monitoring"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_update_for_no_company_is_refused_with_the_field_that_leaves_none(scene: World) -> None:
    tess, ada = scene.client("tess"), scene.client("ada")
    ada.call("POST", "/api/company-groups", 201, json={"name": "Far", "company_names": ["O’Neill’s Bar"]})
    everyone = list(statuses(tess))
    for given, field in (
        ({"company_groups": ["Far"]}, "company_groups"),
        ({"company_groups": ["Far"], "exclude": ["O’Neill’s Bar"], "status": "new"}, "company_groups"),
        ({"exclude": everyone}, "exclude"),
        ({"companies": ["Contoso"], "exclude": ["Contoso"]}, "exclude"),
        ({"companies": []}, "companies"),
    ):
        assert [error["field"] for error in say(tess, 400, **given)["errors"]] == [field], given
    assert said(tess) == []
    path = f"/issues/{tess.call('GET', '/api/issues/Fault', 200)['issue_id']}/updates"
    shown = tess.post(path, data={"body": "Done", "exclude": "\n".join(everyone)})
    # The page begins the sentence with a capital letter.
    assert shown.status_code == 400 and "eaves no company" in shown.text


@decided_in_python
@cases(
    ("body", "status", "field"),
    [
        ({"body": " \n "}, 400, "body"),
        ({"body": "x" * 10_001}, 400, "body"),
        ({"body": None}, 400, "body"),
        ({"public": "yes"}, 400, "public"),
        ({"status": "broken"}, 400, "status"),
        ({"companies": []}, 400, "companies"),
        ({"companies": ["Contoso", "CONTOSO"]}, 400, "companies[1]"),
        ({"companies": ["O’Neill’s Bar"]}, 400, "companies"),
        ({"author": "Ada"}, 400, "author"),
        ({"companies": ["Nobody"]}, 404, None),
        ({"issue_name": "Nothing"}, 404, None),
    ],
)
def test_an_invalid_update_is_reported_and_changes_nothing(
    scene: World, body: dict[str, Any], status: int, field: str | None
) -> None:
    tess = scene.client("tess")
    before = statuses(tess)
    refused = say(tess, status, **body)
    assert [error["field"] for error in refused.get("errors", [])] == ([field] if field else [])
    assert said(tess) == [] and events(tess) == [] and statuses(tess) == before


def test_the_list_is_filtered_and_paged(scene: World) -> None:
    tess = scene.client("tess")
    say(tess, body="1", public=True)
    say(tess, body="2", companies=["Contoso"])
    say(tess, body="3", companies=["Fabrikam", "Contoso"], public=True)
    say(tess, body="4", issue_name="Other")
    assert said(tess) == ["4", "3", "2", "1"]
    for query, expected in {
        "issueName=fault": "321",
        "companyName=CONTOSO": "4321",
        "companyName=Fabrikam": "31",
        "companyName=Zürich (Nord)": "",
        "public=true": "31",
        "public=false&issueName=Fault": "2",
    }.items():
        assert "".join(said(tess, f"?{query}")) == expected, query
    response = tess.get(f"{UPDATES}?limit=3&companyName=Contoso")
    assert response.json()["total"] == 4 and [one["body"] for one in response.json()["items"]] == ["4", "3", "2"]
    following = tess.call("GET", response.links["next"]["url"], 200)
    assert following["total"] == 4 and [one["body"] for one in following["items"]] == ["1"]
    for wrong, status in (
        ("limit=0", 422), ("limit=501", 422), ("cursor=x", 422), ("public=2", 422), ("public=null", 422),
        ("sort=at", 422), ("issueName=No", 404), ("companyName=No", 404),
    ):  # fmt: skip
        tess.call("GET", f"{UPDATES}?{wrong}", status)


def test_only_the_author_and_super_admins_change_an_update(scene: World) -> None:
    path = f"{UPDATES}/{say(scene.client('tess'))['update_id']}"
    scene.client("omar").call("PUT", path, 403, json={"body": "x"})
    scene.client("omar").call("DELETE", path, 403)
    assert scene.client("ada").call("PUT", path, 200, json={"body": "By Ada"})["actor"]["name"] == "Tess Ngo"
    assert events(scene.client())[-1]["actor"]["name"] == "Ada Lund"
    scene.client("ada").call("DELETE", path, 204)
    for number in (999_999, 2**63):
        scene.client("ada").call("DELETE", f"{UPDATES}/{number}", 404)


def test_a_user_with_limited_access_sees_only_updates_for_visible_companies(scene: World) -> None:
    omar = scene.client("omar")
    texts = {
        "all": None, "ours": ["Contoso"], "both": ["Contoso", "Fabrikam"], "theirs": ["Fabrikam"],
        "others": ["Fabrikam", "Acme Manufacturing"],
    }  # fmt: skip
    made = {text: say(omar, body=text, companies=companies)["update_id"] for text, companies in texts.items()}
    own = say(scene.client("tess"), body="own", companies=["Contoso", "Fabrikam"])["update_id"]
    limit(scene, "Contoso")
    tess = scene.client("tess")
    found = {one["body"]: one["company_names"] for one in tess.call("GET", UPDATES, 200)["items"]}
    assert found == {"own": ["Contoso"], "both": ["Contoso"], "ours": ["Contoso"], "all": None}
    assert {event["note"] for event in events(tess)} == {"all", "ours", "both", "own"}
    for text in ("theirs", "others"):
        tess.call("PUT", f"{UPDATES}/{made[text]}", 404, json={"body": "x"})
    # A text for hidden companies cannot be changed, not even by its author.
    tess.call("PUT", f"{UPDATES}/{own}", 403, json={"body": "x"})
    tess.call("GET", f"{UPDATES}?companyName=Fabrikam", 404)
    # An update for all companies is shown as one for the visible ones.
    assert say(tess, body="mine", status="closed")["company_names"] == ["Contoso"]
    assert statuses(omar)["Fabrikam"] == "investigating"


def test_webhooks_receive_only_public_texts(scene: World) -> None:
    ada, tess = scene.client("ada"), scene.client("tess")
    contoso = scene.given_companies("Contoso")["Contoso"]
    for limits in ({}, {"company_ids": [contoso]}, {"event_types": ["update.edited"]}):
        ada.call("POST", "/api/webhooks", 201, json={"url": "https://hooks.helpdesk.example/", **limits})
    say(tess, body="for all", public=True)
    say(tess, body="secret", companies=["Fabrikam", "Contoso"])
    say(tess, body="elsewhere", public=True, companies=["Fabrikam", "Acme Manufacturing"])
    last = say(tess, body="moves", public=True, companies=["Contoso"], status="resolved")
    tess.call("PUT", f"{UPDATES}/{last['update_id']}", 200, json={"body": "retracted", "public": False})
    hooks = sorted(hook["id"] for hook in ada.call("GET", "/api/webhooks", 200)["items"])
    found = {hook: messages(scene, hook) for hook in hooks}
    everything = [
        ("update.created", "for all", None),
        ("update.created", None, ["Contoso", "Fabrikam"]),
        ("update.created", "elsewhere", ["Acme Manufacturing", "Fabrikam"]),
        ("assignment.status_changed", None, "absent"),
        ("update.created", "moves", ["Contoso"]),
        ("update.edited", None, ["Contoso"]),
    ]
    covered = [everything[0], (*everything[1][:2], ["Contoso"]), *everything[3:]]
    assert found == {hooks[0]: everything, hooks[1]: covered, hooks[2]: everything[-1:]}
