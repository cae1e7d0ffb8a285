"""Alerts by key (contract, section 14) are opened, repeated and cleared; changes by people are not overwritten."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cases import cases
from tests.clients import Client
from tests.engines import decided_in_python
from tests.world import World


def report(key: str = "probe/contoso", state: str = "firing", company: str = "Contoso", **more: Any) -> dict[str, Any]:
    return {"key": key, "state": state, "issue": "Line down", "company": company, **more}


def send(client: Client, expected: int = 200, /, **changes: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.call("POST", "/api/alerts", expected, json=report(**changes))
    return answer


def clear(client: Client, key: str = "probe/contoso", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.call("POST", "/api/alerts", 200, json={"key": key, "state": "resolved", **more})
    return answer


def statuses(world: World, issue: str = "Line down") -> dict[str, str]:
    found = world.client().call("GET", f"/api/issues/{issue}", 200)
    return {member["company_name"]: member["status"] for member in found["assignments"]}


def set_status(world: World, status: str, issue: str = "Line down", company: str = "Contoso") -> None:
    body = {"issue_name": issue, "company_name": company, "status": status}
    world.client("tess").call("PUT", "/api/issues/status", 200, json=body)


def listed(world: World, query: str = "") -> list[dict[str, Any]]:
    found = world.client().call("GET", f"/api/alerts{query}", 200)
    assert found["total"] == len(found["items"])
    items: list[dict[str, Any]] = found["items"]
    return items


@pytest.fixture
def omar(world: World) -> Client:
    return world.bearer("omar")


def test_an_address_is_one_line(world: World) -> None:
    monitor = world.bearer()
    for url in ("http://monitoring.example/7\n", "javascript:alert(1)", "http://a b", "ftp://monitoring.example"):
        refused = monitor.call("POST", "/api/alerts", 400, json=report(url=url))
        assert [error["field"] for error in refused["errors"]] == ["url"]


def test_an_alert_is_opened_repeated_and_cleared(world: World) -> None:
    monitor = world.bearer("omar", name="monitor")
    more = {"severity": "high", "summary": "No carrier", "url": "https://monitoring.example/7"}
    assert send(monitor, **more) == {
        "key": "probe/contoso",
        "state": "firing",
        "action": "opened",
        "issue_name": "Line down",
        "company_name": "Contoso",
        "status": "investigating",
        "count": 1,
    }
    issue = world.client().call("GET", "/api/issues/Line down", 200)
    assert (issue["description"], issue["severity"]) == ("No carrier", "high")
    events = len(world.history())
    for count in range(2, 5):
        repeated = send(monitor, **more)
        assert (repeated["action"], repeated["status"], repeated["count"]) == ("kept", "investigating", count)
    assert len(world.history()) == events
    [alert] = listed(world, "?state=firing")
    assert alert["count"] == 4 and alert["first_at"] == alert["changed_at"] < alert["last_at"]
    assert (alert["url"], alert["issue_id"], alert["unsorted"]) == (more["url"], issue["issue_id"], False)

    cleared = clear(monitor, summary="Carrier is back")
    assert (cleared["action"], cleared["status"], cleared["count"]) == ("cleared", "resolved", 1)
    assert statuses(world) == {"Contoso": "resolved"}
    assert [(e.channel, e.note) for e in world.history()[-1:]] == [("token:monitor", "Carrier is back")]
    assert (clear(monitor)["action"], clear(monitor)["count"]) == ("kept", 3)
    assert listed(world, "?state=firing") == [] and len(listed(world)) == 1

    assert send(monitor)["action"] == "reopened"
    assert statuses(world) == {"Contoso": "investigating"}
    assert clear(monitor)["action"] == "cleared"


def test_changes_by_a_person_are_not_overwritten(world: World) -> None:
    monitor = world.bearer("omar")
    send(monitor)
    set_status(world, "in_progress")
    assert (send(monitor)["action"], statuses(world)) == ("kept", {"Contoso": "in_progress"})
    answer = clear(monitor, summary="Carrier is back")
    assert (answer["action"], answer["status"]) == ("kept", "in_progress")
    [update] = world.client().call("GET", "/api/updates?issueName=Line down", 200)["items"]
    assert update["body"] == "Monitoring reports that the alert “probe/contoso” is over.\n\nCarrier is back"
    assert (update["public"], update["company_names"]) == (False, ["Contoso"])

    set_status(world, "closed")
    assert send(monitor)["action"] == "reopened"
    assert clear(monitor)["action"] == "cleared"
    set_status(world, "new")
    assert send(monitor)["action"] == "kept", "a person had opened it"
    assert clear(monitor)["action"] == "kept"
    assert statuses(world) == {"Contoso": "new"}


def test_a_text_about_an_assignment_is_no_change(world: World) -> None:
    monitor, tess = world.bearer("omar"), world.client("tess")
    text = {"issue_name": "Line down", "body": "The provider is looking into it", "companies": ["Contoso"]}
    send(monitor)
    said = tess.call("POST", "/api/updates", 201, json=text)
    tess.call("PUT", f"/api/updates/{said['update_id']}", 200, json={"body": "The provider is on site"})
    assert (clear(monitor)["action"], statuses(world)) == ("cleared", {"Contoso": "resolved"})
    owned = {"issue_name": "Line down", "company_name": "Contoso", "status": "investigating"}
    for path, method, change in (
        ("/api/updates", "POST", {**text, "status": "in_progress"}),
        ("/api/issues/status", "PUT", {**owned, "owner": "tess@helpdesk.example"}),
    ):
        assert send(monitor)["action"] == "reopened"
        assert tess.request(method, path, json=change).status_code in (200, 201)
        assert clear(monitor)["action"] == "kept", "a person has changed the status or the owner"
        set_status(world, "resolved")


def test_an_alert_joins_an_existing_issue_without_changing_it(world: World) -> None:
    world.given_issue("Line down", {"Contoso": "monitoring", "Fabrikam": "resolved"}, "Ours")
    monitor = world.bearer("omar")
    assert send(monitor, severity="low", summary="x")["action"] == "kept"
    assert send(monitor, key="f", company="fabrikam")["action"] == "reopened"
    assert send(monitor, key="a", company="ACME manufacturing")["action"] == "assigned"
    assert statuses(world) == {
        "Acme Manufacturing": "investigating",
        "Contoso": "monitoring",
        "Fabrikam": "investigating",
    }
    issue = world.client().call("GET", "/api/issues/line DOWN", 200)
    assert (issue["description"], issue["severity"]) == ("Ours", None)
    assert [clear(monitor, key)["action"] for key in ("probe/contoso", "f", "a")] == ["kept", "cleared", "cleared"]


def test_an_alert_follows_renames(world: World) -> None:
    contoso = world.given_companies("Contoso")["Contoso"]
    monitor, ada = world.bearer("omar"), world.client("ada")
    send(monitor)
    ada.call("PUT", "/api/issues/Line down", 200, json={"new_name": "Provider outage"})
    ada.call("PUT", f"/api/companies/{contoso}", 200, json={"name": "Contoso Ltd"})
    again = send(monitor)
    assert (again["action"], again["issue_name"], again["company_name"]) == ("kept", "Provider outage", "Contoso Ltd")
    assert clear(monitor)["action"] == "cleared"
    assert (send(monitor)["action"], send(monitor)["company_name"]) == ("reopened", "Contoso Ltd")
    assert world.client().call("GET", "/api/issues", 200)["total"] == 1


def test_an_alert_does_not_reopen_an_unassigned_or_deleted_issue(world: World) -> None:
    monitor, ada = world.bearer("omar"), world.client("ada")
    send(monitor)
    send(monitor, key="f", company="Fabrikam")
    ada.call("DELETE", "/api/issues/status?issueName=Line down&companyName=Contoso", 204)
    again = send(monitor)
    assert (again["action"], again["status"]) == ("kept", None)
    assert clear(monitor)["action"] == "kept"
    assert send(monitor)["action"] == "assigned"
    ada.call("DELETE", "/api/issues/Line down", 204)
    assert (send(monitor)["action"], send(monitor)["issue_name"]) == ("kept", None)
    assert clear(monitor)["action"] == "ignored"
    assert send(monitor)["action"] == "opened"


def test_an_unknown_company_is_unsorted_until_it_is_known(world: World) -> None:
    monitor = world.bearer("omar")
    answer = send(monitor, company="Nobody Ltd")
    assert answer == {
        "key": "probe/contoso",
        "state": "firing",
        "action": "unsorted",
        "issue_name": None,
        "company_name": None,
        "status": None,
        "count": 1,
    }
    assert send(monitor, company="Nobody Ltd")["count"] == 2
    [alert] = listed(world, "?state=unsorted")
    assert (alert["issue"], alert["company"], alert["unsorted"]) == ("Line down", "Nobody Ltd", True)
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0
    refused = send(monitor, 404, company="Nobody Ltd", strict=True)
    assert refused["detail"] == "There is no company called “Nobody Ltd”." and listed(world)[0]["count"] == 2

    world.given_companies("Nobody Ltd")
    assert send(monitor, company="Nobody Ltd")["action"] == "opened"
    assert listed(world, "?state=unsorted") == []
    archived = world.given_companies("Gone Ltd")["Gone Ltd"]
    world.client("ada").call("PUT", f"/api/companies/{archived}", 200, json={"archived": True})
    assert send(monitor, key="g", company="Gone Ltd")["action"] == "unsorted"
    assert "company" in send(monitor, 400, key="h", company="Gone Ltd", strict=True)["detail"]
    assert clear(monitor, "g")["action"] == clear(monitor, "never seen")["action"] == "ignored"


def test_several_alerts_are_accepted_together_or_not_at_all(world: World) -> None:
    monitor = world.bearer("omar")
    alerts = [report(f"probe/{company}", company=company) for company in ("Fabrikam", "Contoso", "Nobody")]
    done = monitor.call("POST", "/api/alerts", 200, json={"alerts": alerts})
    assert done["total"] == 3 and [one["action"] for one in done["items"]] == ["opened", "assigned", "unsorted"]
    assert statuses(world) == {"Contoso": "investigating", "Fabrikam": "investigating"}
    alerts = [report("new", company="Acme Manufacturing"), report("other", company="Nobody", strict=True)]
    monitor.call("POST", "/api/alerts", 404, json={"alerts": alerts})
    alerts.append(report("another", company="Neither", strict=True))
    refused = monitor.call("POST", "/api/alerts", 404, json={"alerts": alerts})
    assert "“Nobody”" in refused["detail"] and "“Neither”" in refused["detail"], "all of them (contract, section 4)"
    alerts.append(report("unreadable", issue="Line\u202edown"))
    refused = monitor.call("POST", "/api/alerts", 400, json={"alerts": alerts})
    assert [error["field"] for error in refused["errors"]] == ["alerts[3].issue"], "400 comes before 404"
    assert statuses(world) == {"Contoso": "investigating", "Fabrikam": "investigating"} and len(listed(world)) == 3


@decided_in_python
@cases(
    ("body", "fields"),
    [
        ({}, ["key", "state"]),
        ({"key": "k", "state": "firing"}, ["issue", "company"]),
        ({"state": "firing", "issue": "Line down"}, ["key", "company"]),
        ({"key": " ", "state": "down"}, ["key", "state"]),
        ({"key": "k" * 256, "state": "resolved"}, ["key"]),
        (report(issue="status", url="ftp://x"), ["issue", "url"]),
        (report(severity="urgent", nagging=True), ["nagging", "severity"]),
        (report(issue="Line\u202edown"), ["issue"]),
        ({"alerts": [report(), report()]}, ["alerts[1].key"]),
        ({"alerts": [report(), {"key": "x", "state": "firing"}]}, ["alerts[1].issue", "alerts[1].company"]),
        ({"alerts": [report(str(number)) for number in range(501)]}, ["alerts"]),
        ({"alerts": [report()], "key": "k"}, ["alerts"]),
    ],
)
def test_invalid_reports_change_nothing(world: World, omar: Client, body: dict[str, Any], fields: list[str]) -> None:
    refused = omar.call("POST", "/api/alerts", 400, json=body)
    assert [error["field"] for error in refused["errors"]] == fields
    assert listed(world) == [] and world.client().call("GET", "/api/issues", 200)["total"] == 0


def test_alerts_are_listed_in_pages(world: World) -> None:
    monitor = world.bearer("omar")
    alerts = [report(f"k{number}", company="Nobody") for number in range(5)]
    monitor.call("POST", "/api/alerts", 200, json={"alerts": alerts})
    seen, path = [], "/api/alerts?state=unsorted&limit=2"
    while path:
        page = monitor.get(path)
        assert page.json()["total"] == 5
        seen += [alert["key"] for alert in page.json()["items"]]
        path = page.links["next"]["url"] if "next" in page.links else ""
    assert seen == ["k4", "k3", "k2", "k1", "k0"]
    assert monitor.call("GET", "/api/alerts?state=on&limit=0", 422)["errors"]

    tess, second = world.client(), listed(world)[1]["alert_id"]
    for query, count in (("", 0), ("?state=unsorted", 5), (f"?state=unsorted&before={second}", 3)):
        assert tess.get(f"/alerts{query}").raise_for_status().text.count('data-label="Last report"') == count
    for refused in ("state=on", "state=firing&state=resolved", "before=x", f"before={2**63}", "sate=resolved"):
        tess.call("GET", f"/alerts?{refused}", 422)


def test_many_senders_open_one_issue(world: World) -> None:
    """Every sender reports the same two alerts: no report fails, no issue is opened twice, and every report
    is counted.
    """
    alerts = [report("one"), report("two", company="Fabrikam")]

    def storm(number: int) -> list[int]:
        monitor = world.bearer("omar", name=f"m{number}")
        given = alerts if number % 2 else alerts[::-1]
        return [monitor.post("/api/alerts", json={"alerts": given}).status_code for _ in range(5)]

    with ThreadPoolExecutor(6) as pool:
        codes = [code for codes in pool.map(storm, range(6)) for code in codes]
    assert set(codes) == {200}
    assert statuses(world) == {"Contoso": "investigating", "Fabrikam": "investigating"}
    assert {alert["key"]: alert["count"] for alert in listed(world)} == {"one": 30, "two": 30}
    assert sorted(event.type for event in world.history()) == ["assignment.created"] * 2 + ["issue.created"]
