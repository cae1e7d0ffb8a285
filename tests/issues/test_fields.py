"""Owner, next update, tags, references and external key of issues (contract, section 13)."""

import html
import json
import re
from typing import Any

import pytest

from tests.cases import cases
from tests.clients import Client
from tests.company_access.limits import limit
from tests.engines import decided_in_python
from tests.world import World

FAULT = "/api/issues/Fault"
REFERENCE = {"system": "PSA", "key": "T-17", "url": "https://psa.example.com/T-17"}
EMPTY: dict[str, Any] = {"owner": None, "next_update_at": None, "tags": [], "references": [], "external_key": None}
GIVEN: dict[str, Any] = {
    "owner": "TESS@helpdesk.example",
    "next_update_at": "2026-03-01T12:00:00+01:00",
    "tags": ["WAN", "carrier", "wan"],
    "references": [REFERENCE, {"system": "Jira", "key": "OPS-1"}, REFERENCE | {"system": "psa"}],
    "external_key": "  monitoring:wan-1 ",
}


@pytest.fixture
def tess(world: World) -> Client:
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "new"})
    world.given_issue("Other", {"Contoso": "new"})
    return world.client("tess")


def shown(issue: dict[str, Any]) -> dict[str, Any]:
    return {name: issue[name] for name in EMPTY}


def stored(client: Client) -> dict[str, Any]:
    user_id = client.call("GET", "/api/auth/session", 200)["user"]["user_id"]
    return {
        "owner": {"user_id": user_id, "name": "Tess Ngo"},
        "next_update_at": "2026-03-01T11:00:00+00:00",
        "tags": ["carrier", "WAN"],
        "references": [REFERENCE, {"system": "Jira", "key": "OPS-1", "url": None}],
        "external_key": "monitoring:wan-1",
    }


def names(client: Client, query: str) -> list[str]:
    found = client.call("GET", f"/api/issues?{query}", 200)
    assert found["total"] == len(found["items"])
    return [issue["name"] for issue in found["items"]]


def test_fields_can_be_set_left_unchanged_and_cleared(tess: Client) -> None:
    assert shown(tess.call("GET", FAULT, 200)) == EMPTY
    assert shown(tess.call("PUT", FAULT, 200, json=GIVEN)) == stored(tess)
    before = tess.get(FAULT)
    for same in ({}, GIVEN, {"description": None}):
        assert shown(tess.call("PUT", FAULT, 200, json=same)) == stored(tess)
    assert (tess.get(FAULT).content, tess.get(FAULT).headers["ETag"]) == (before.content, before.headers["ETag"])
    listed = (
        tess.call("GET", "/api/issues?limit=1", 200)["items"] + tess.call("GET", "/api/issues?status=new", 200)["items"]
    )
    assert [shown(issue) for issue in listed] == [stored(tess), stored(tess), EMPTY]
    cleared = tess.call("PUT", FAULT, 200, json=dict.fromkeys(EMPTY))
    assert shown(cleared) == EMPTY
    changes = tess.call("GET", "/api/events?type=issue.updated&after=0", 200)["items"]
    said = [
        ("owner", None, "tess@helpdesk.example"),
        ("next_update_at", None, "2026-03-01T11:00:00+00:00"),
        ("tags", None, "carrier, WAN"),
        ("references", None, changes[3]["to"]),
        ("external_key", None, "monitoring:wan-1"),
    ]
    assert [(one["field"], one["from"], one["to"]) for one in changes[: len(said)]] == said
    cleared_later = [(one["field"], one["from"], one["to"]) for one in changes[len(said) :]]
    assert cleared_later == [(name, to, None) for name, _, to in said]
    made = tess.call("POST", "/api/issues", 201, json={"name": "New", **GIVEN})
    assert shown(made) == stored(tess) == shown(tess.call("GET", "/api/issues/New", 200))


def test_a_merge_fills_the_fields_that_an_issue_lacks(tess: Client) -> None:
    tess.call("PUT", FAULT, 200, json=GIVEN)
    merged = tess.call("POST", "/api/issues/merge", 200, json={"issue_name": "Fault", "into": "Other"})
    assert shown(merged) == stored(tess) == shown(tess.call("GET", "/api/issues/Other", 200))


@decided_in_python
def test_a_form_shows_all_fields_and_changes_what_was_edited(tess: Client) -> None:
    page = f"/issues/{tess.call('PUT', FAULT, 200, json=GIVEN | {'severity': 'low'})['issue_id']}"
    text = tess.get(page).text
    found = re.search(r'name="seen_fields" value="([^"]*)"', text)
    assert found is not None
    seen: dict[str, str] = json.loads(html.unescape(found[1]))
    assert list(seen) == ["severity", *EMPTY] and all(seen.values())
    assert [name for name in seen if f'name="{name}"' not in text] == []
    form = {"name": "Fault", "seen_name": "Fault", "description": "", "seen_description": ""}
    form["seen_fields"] = html.unescape(found[1])
    for texts, expected in ((seen, stored(tess)), (dict.fromkeys(seen, ""), EMPTY)):
        assert tess.post(f"{page}/edit", data=form | texts).status_code == 303
        assert shown(tess.call("GET", FAULT, 200)) == expected


@decided_in_python
@cases(
    ("body", "field"),
    [
        ({"owner": "nobody@helpdesk.example"}, "owner"),
        ({"owner": "mia@helpdesk.example"}, "owner"),
        ({"owner": "Tess Ngo"}, "owner"),
        ({"next_update_at": "2026-03-01T12:00:00"}, "next_update_at"),
        ({"next_update_at": "soon"}, "next_update_at"),
        ({"tags": "wan"}, "tags"),
        ({"tags": ["wan", " "]}, "tags[1]"),
        ({"tags": ["a,b"]}, "tags[0]"),
        ({"tags": [str(number) for number in range(51)]}, "tags"),
        ({"references": [{"system": "PSA"}]}, "references[0].key"),
        ({"references": [REFERENCE | {"url": "javascript:alert(1)"}]}, "references[0].url"),
        ({"references": [REFERENCE | {"url": "//evil.example"}]}, "references[0].url"),
        ({"references": [REFERENCE | {"more": 1}]}, "references[0].more"),
        ({"external_key": ""}, "external_key"),
        ({"external_key": "x" * 256}, "external_key"),
        ({"external_key": "taken"}, "external_key"),
    ],
)
def test_invalid_fields_are_reported(tess: Client, body: dict[str, Any], field: str) -> None:
    tess.call("PUT", "/api/issues/Other", 200, json={"external_key": "taken"})
    for method, path, more in (("PUT", FAULT, {}), ("POST", "/api/issues", {"name": "New"})):
        refused = tess.call(method, path, 400, json=body | more)
        assert [error["field"] for error in refused["errors"]] == [field]
    assert shown(tess.call("GET", FAULT, 200)) == EMPTY and names(tess, "") == ["Fault", "Other"]


@pytest.mark.parametrize(
    ("instant", "utc"),
    [
        ("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_an_instant_that_utc_cannot_represent_is_accepted(tess: Client, instant: str, utc: str) -> None:
    assert tess.call("PUT", FAULT, 200, json={"next_update_at": instant})["next_update_at"] == utc
    assert tess.call("GET", FAULT, 200)["next_update_at"] == utc
    for path in (f"/?updatedSince={instant.replace('+', '%2B')}", "/", "/handover"):
        assert tess.get(path).status_code == 200, path


def test_an_external_key_can_replace_the_name_in_bodies(tess: Client) -> None:
    tess.call("PUT", FAULT, 200, json={"external_key": "wan-1"})
    change = {"company_name": "Contoso", "status": "resolved"}
    for named in ({"external_key": "wan-1"}, {"external_key": "wan-1", "issue_name": "FAULT"}):
        assert tess.call("PUT", "/api/issues/status", 200, json=change | named)["issue_name"] == "Fault"
    assert (
        tess.call("POST", "/api/issues/status/bulk", 200, json={"external_key": "wan-1", "status": "closed"})["changed"]
        == 2
    )
    assert tess.call("POST", "/api/updates", 201, json={"external_key": "wan-1", "body": "x"})["issue_name"] == "Fault"
    wrong: list[tuple[dict[str, Any], int, str | None]] = [
        ({"external_key": "WAN-1"}, 404, None),
        ({"external_key": "wan-1", "issue_name": "Nothing"}, 404, None),
        ({"external_key": "wan-1", "issue_name": "Other"}, 400, "external_key"),
        ({"issue_name": None}, 400, "issue_name"),
        ({}, 400, "issue_name"),
    ]
    for body, status, field in wrong:
        refused = tess.call("PUT", "/api/issues/status", status, json=change | body)
        assert [error["field"] for error in refused.get("errors", [])] == ([field] if field else [])


def test_the_list_is_filtered_by_fields(world: World, tess: Client) -> None:
    world.given_issue("Third", {"Contoso": "resolved"})
    tess.call("PUT", FAULT, 200, json=GIVEN | {"severity": "high"})
    tess.call("PUT", "/api/issues/Other", 200, json={"owner": "omar@helpdesk.example", "severity": "low"})
    mine = {"issue_name": "Other", "company_name": "Contoso", "status": "new", "owner": "tess@helpdesk.example"}
    tess.call("PUT", "/api/issues/status", 200, json=mine | {"references": [{"system": "Jira", "key": "OPS-2"}]})
    for query, expected in {
        "owner=tess@helpdesk.example": ["Fault", "Other"],
        "owner=me": ["Fault", "Other"],
        "owner=none": ["Third"],
        "owner=ada@helpdesk.example": [],
        "severity=high": ["Fault"],
        "severity=high&severity=low": ["Fault", "Other"],
        "tag=Wan": ["Fault"],
        "tag=wa": [],
        "reference=t-17": ["Fault"],
        "reference=psa:T-17": ["Fault"],
        "reference=OPS-2": ["Other"],
        "owner=me&status=new&companyName=Fabrikam": ["Fault"],
        "owner=none&open=true": [],
    }.items():
        assert names(tess, query) == expected, query
    assert world.client("omar").call("GET", "/api/issues?owner=me", 200)["total"] == 1
    for wrong in ("owner=nobody@helpdesk.example", "severity=urgent", "overdue=maybe", "include=all"):
        tess.call("GET", f"/api/issues?{wrong}", 422)


def test_issues_that_need_attention_come_first(world: World, tess: Client) -> None:
    hour = {"past": "2026-01-01T09:00:00Z", "later": "2026-01-01T13:00:00Z"}
    start = world.clock.now().replace(year=2026, month=1, day=1, hour=10, minute=0, second=0, microsecond=0)
    world.clock.freeze(start)
    owned = {"owner": "omar@helpdesk.example"}
    for name, fields, status in (
        ("done", {"next_update_at": hour["past"]}, "resolved"),
        ("owned, first", owned, "new"),
        ("unowned, later due", {"next_update_at": hour["later"]}, "new"),
        ("owned, second", owned, "new"),
        ("overdue, owned", {"next_update_at": hour["past"], **owned}, "new"),
        ("overdue", {"next_update_at": hour["past"]}, "monitoring"),
        ("without companies", {}, None),
    ):
        world.clock.advance(minutes=1)
        companies = [{"company_name": "Contoso", "status": status}] if status else []
        tess.call("POST", "/api/issues", 201, json={"name": name, "companies": companies, **fields})
    tess.call("DELETE", FAULT, 403)
    for name in ("Fault", "Other"):
        world.client("ada").call("DELETE", f"/api/issues/{name}", 204)
    expected = [
        "overdue", "overdue, owned", "unowned, later due", "without companies", "owned, first", "owned, second", "done",
    ]  # fmt: skip
    assert names(tess, "sort=attention") == expected
    assert names(tess, "sort=attention&companyName=Contoso") == [name for name in expected if "without" not in name]
    assert names(tess, "sort=attention&open=true") == [name for name in expected[:-1] if "without" not in name]
    assert names(tess, "overdue=true") == ["overdue", "overdue, owned"]
    assert len(names(tess, "overdue=false")) == 5
    world.clock.freeze(start.replace(hour=11))
    paged, link = [], "/api/issues?sort=attention&limit=2"
    while link:
        response = tess.get(link)
        paged += [issue["name"] for issue in response.json()["items"]]
        link = response.links.get("next", {}).get("url", "")
        world.clock.advance(hours=4)  # issues that become overdue in between are neither skipped nor repeated
    assert paged == expected
    tess.call("GET", "/api/issues?sort=attention&cursor=x", 422)
    # An issue becomes overdue without a change, and the list shows it.
    world.clock.freeze(start)
    first = tess.get("/api/issues?overdue=true")
    world.clock.advance(hours=4)
    again = tess.get("/api/issues?overdue=true", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 200 and again.json()["total"] == 3


def test_details_of_assignments_are_included_on_request(tess: Client) -> None:
    change = {"issue_name": "Fault", "company_name": "Contoso", "status": "new"}
    details = {"owner": "tess@helpdesk.example", "references": [REFERENCE, REFERENCE]}
    plain = tess.call("PUT", "/api/issues/status", 200, json=change | details)
    assert len(plain) == 9
    [contoso, fabrikam] = tess.call("GET", f"{FAULT}?include=details", 200)["assignments"]
    assert list(contoso)[8:] == ["affected_since", "owner", "references"]
    assert contoso["owner"]["name"] == "Tess Ngo" and contoso["references"] == [REFERENCE]
    assert (fabrikam["owner"], fabrikam["references"]) == (None, [])
    assert fabrikam["affected_since"] == fabrikam["updated_at"]
    listed = tess.call("GET", "/api/issues?include=details&companyName=Contoso", 200)["items"]
    assert listed[0]["assignments"] == [contoso]
    assert all(len(one) == 8 for one in tess.call("GET", FAULT, 200)["assignments"])
    plain_tag, detailed_tag = tess.get(FAULT).headers["ETag"], tess.get(f"{FAULT}?include=details").headers["ETag"]
    assert plain_tag != detailed_tag
    tess.call("PUT", FAULT, 200, json={"description": "x"}, headers={"If-Match": detailed_tag})
    tess.call("PUT", FAULT, 412, json={"description": "y"}, headers={"If-Match": detailed_tag})
    [event] = [
        one for one in tess.call("GET", "/api/events?type=assignment.updated", 200)["items"] if one["field"] == "owner"
    ]
    assert (event["company_name"], event["from"], event["to"]) == ("Contoso", None, "tess@helpdesk.example")
    tess.call("PUT", "/api/issues/status", 200, json=change | {"owner": None, "references": None})
    assert tess.call("GET", f"{FAULT}?include=details", 200)["assignments"][0]["owner"] is None


def test_a_new_name_of_the_owner_is_shown(world: World, tess: Client) -> None:
    tess.call("PUT", FAULT, 200, json={"owner": "tess@helpdesk.example"})
    before = tess.get(FAULT)
    limit(world, "Contoso", who="omar")
    omar = world.client("omar")
    listed = omar.get("/api/issues")
    users = world.client("ada").call("GET", "/api/users", 200)["items"]
    tess_id = next(user["user_id"] for user in users if user["email"].startswith("tess"))
    world.client("ada").call("PUT", f"/api/users/{tess_id}", 200, json={"name": "Tess Nguyen"})
    after = tess.get(FAULT, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200 and after.json()["owner"]["name"] == "Tess Nguyen"
    assert tess.call("GET", "/api/issues?limit=1", 200)["items"][0]["owner"]["name"] == "Tess Nguyen"
    again = omar.get("/api/issues", headers={"If-None-Match": listed.headers["ETag"]})
    assert again.status_code == 200 and again.json()["items"][0]["owner"]["name"] == "Tess Nguyen"


def test_fields_of_hidden_assignments_cannot_be_found(world: World, tess: Client) -> None:
    hidden = {"issue_name": "Fault", "company_name": "Fabrikam", "status": "new", "owner": "omar@helpdesk.example"}
    tess.call("PUT", "/api/issues/status", 200, json=hidden | {"references": [REFERENCE]})
    limit(world, "Contoso")
    for query in ("owner=omar@helpdesk.example", "reference=T-17"):
        assert names(tess, query) == []
    tess.call("PUT", FAULT, 403, json={"owner": "tess@helpdesk.example"})
    tess.call("PUT", "/api/issues/Other", 200, json={"owner": "tess@helpdesk.example", "tags": ["x"]})
    assert names(tess, "owner=me") == ["Other"] == names(tess, "tag=x")
    assert names(tess, "sort=attention") == ["Fault", "Other"]
