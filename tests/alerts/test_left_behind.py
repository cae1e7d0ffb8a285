"""Alerts end when their company or their rule no longer concerns them; an old server lists receivers of later kinds."""

from sqlalchemy import update

from issue_tracker.database.tables import alert_receivers
from tests.alerts.test_alerts import clear, listed, set_status, statuses
from tests.alerts.test_alerts import send as report
from tests.alerts.test_receivers import given_receiver, send
from tests.alerts.test_rules import given_rule
from tests.world import World


def message(state: str = "firing", key: str = "f1", **labels: str) -> dict[str, object]:
    name = {"alertname": "Fibre", "provider": "Contoso Fibre"}
    return {"alerts": [{"status": state, "labels": {**name, **labels}, "fingerprint": key}]}


def test_a_company_that_leaves_the_group_is_cleared(world: World) -> None:
    path, ada = given_receiver(world, "alertmanager"), world.client("ada")
    group = {"name": "Contoso Fibre", "company_names": ["Contoso", "Fabrikam", "Acme Manufacturing"]}
    here = f"/api/company-groups/{ada.call('POST', '/api/company-groups', 201, json=group)['group_id']}"
    given_rule(world, issue="Fibre", company="{provider|company}", company_by="group")
    assert send(world, path, message()) == {"received": 3, "opened": 1, "assigned": 2}
    # The key of this alert begins in the same way; it is another alert.
    given_rule(world, "Names", 1, issue="Other", conditions=[{"label": "site", "operator": "is_not"}])
    assert send(world, path, message(key="f1@site", company="Contoso", site="1")) == {"received": 1, "opened": 1}

    ada.call("PUT", here, 200, json={"company_names": ["Contoso"]})
    set_status(world, "in_progress", "Fibre", "Fabrikam")
    assert send(world, path, message()) == {"received": 3, "kept": 2, "cleared": 1}
    assert statuses(world, "Fibre") == {
        "Contoso": "investigating",
        "Fabrikam": "in_progress",
        "Acme Manufacturing": "resolved",
    }
    assert {alert["key"] for alert in listed(world, "?state=firing")} == {"f1@contoso", "f1@site"}
    before = len(world.history())
    assert send(world, path, message()) == {"received": 1, "kept": 1} and len(world.history()) == before

    # A group that is unknown, because it was renamed, says nothing about its companies; a resolved alert does.
    ada.call("PUT", here, 200, json={"name": "Renamed"})
    assert send(world, path, message()) == {"received": 1, "unsorted": 1}
    assert statuses(world, "Fibre")["Contoso"] == "investigating"
    counted = {alert["key"]: alert["count"] for alert in listed(world, "?state=firing")}
    ada.call("PUT", here, 200, json={"name": "Contoso Fibre"})
    given_rule(world, "Other", ignore=True, conditions=[{"label": "other", "value": "1"}])
    assert {alert["key"]: alert["count"] for alert in listed(world, "?state=firing")} == {
        key: count for key, count in counted.items() if key != "f1"
    }, "the unsorted alert is sorted again, and nothing is counted twice"
    assert send(world, path, message("resolved"))["cleared"] == 1
    assert statuses(world, "Fibre")["Contoso"] == "resolved"
    assert statuses(world, "Other") == {"Contoso": "investigating"}


def test_the_names_of_companies_may_be_long(world: World) -> None:
    """The key of an alert for one of several companies contains the received key and the name, each of any length."""
    path, ada = given_receiver(world, "alertmanager"), world.client("ada")
    received, names = "k" * 255, [letter * 255 for letter in "ab"]
    world.given_companies(*names)
    group = {"name": "Contoso Fibre", "company_names": names}
    here = f"/api/company-groups/{ada.call('POST', '/api/company-groups', 201, json=group)['group_id']}"
    rule = given_rule(world, issue="Fibre", company="{provider}", company_by="group")
    send(world, path, message(key=received))
    ada.call("PUT", here, 200, json={"company_names": names[:1]})
    assert send(world, path, message(key=received)) == {"received": 2, "kept": 1, "cleared": 1}
    assert ada.post(f"/admin/alerts/rules/{rule['id']}/undo", data={}).status_code == 303
    assert [alert["key"] for alert in listed(world, "?state=unsorted")] == [received]


def test_a_changed_rule_does_not_leave_an_alert_firing(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    rule = given_rule(world, issue="Fibre", company="{company}", company_by="tag")
    labels = {"company": "Contoso, Fabrikam"}
    send(world, path, message(**labels))
    world.client("ada").call("PUT", f"/api/alert-rules/{rule['id']}", 200, json={"rule": {"ignore": True}})
    assert send(world, path, message(**labels)) == {} and len(listed(world, "?state=firing")) == 2
    assert send(world, path, message("resolved", **labels)) == {"received": 2, "cleared": 2}
    assert set(statuses(world, "Fibre").values()) == {"resolved"} and listed(world, "?state=firing") == []


def test_an_archived_company_keeps_the_assignments_that_it_has(world: World) -> None:
    """It gets no new one, from alerts no more than from people."""
    monitor, ada = world.bearer("omar"), world.client("ada")
    report(monitor)
    company_id = ada.call("GET", "/api/companies?search=Contoso", 200)["items"][0]["company_id"]
    ada.call("PUT", f"/api/companies/{company_id}", 200, json={"archived": True})
    assert report(monitor)["action"] == "kept" and clear(monitor)["action"] == "cleared"
    assert report(monitor, strict=True)["action"] == "reopened" and statuses(world) == {"Contoso": "investigating"}
    assert report(monitor, key="another")["action"] == "kept"
    assert clear(monitor)["action"] == "kept" and clear(monitor, "another")["action"] == "cleared"
    ada.call("DELETE", "/api/issues/status?issueName=Line down&companyName=Contoso", 204)
    for issue in ("Elsewhere", "Line down"):
        assert report(monitor, issue=issue)["action"] == "unsorted"
        assert "archived" in report(monitor, 400, key="strict", issue=issue, strict=True)["detail"]
    assert statuses(world) == {}


def test_a_receiver_of_a_later_kind_is_listed_and_not_served(world: World) -> None:
    path, ada = given_receiver(world, "icinga"), world.client("ada")
    with world.database.write() as tx:
        tx.execute(update(alert_receivers).values(kind="of the future", mapping='{"field": 1}'))
    [receiver] = ada.call("GET", "/api/alert-receivers", 200)["items"]
    assert (receiver["kind"], receiver["mapping"], receiver["name"]) == (None, None, "The icinga")
    assert "unknown to this version" in ada.get("/admin/alerts").text
    refused = world.anonymous().request("POST", path.replace("icinga", "of%20the%20future"), json={})
    assert refused.status_code == 503 and refused.headers["retry-after"], "the sender tries again"
    here = f"/api/alert-receivers/{receiver['id']}"
    assert ada.call("PUT", here, 200, json={"active": False})["active"] is False
    ada.call("PUT", here, 400, json={"mapping": {"key": "id"}})
    ada.call("POST", f"{here}/rotate-secret", 400)
    ada.call("DELETE", here, 204)


def test_undo_of_a_rule_makes_its_alerts_unsorted_again(world: World) -> None:
    path, ada = given_receiver(world, "alertmanager"), world.client("ada")
    group = {"name": "Contoso Fibre", "company_names": ["Contoso", "Fabrikam"]}
    ada.call("POST", "/api/company-groups", 201, json=group)
    send(world, path, message())
    send(world, path, message())

    def create() -> int:
        [unsorted] = listed(world, "?state=unsorted")
        created = ada.post("/admin/alerts/rules/suggested", data={"alert": str(unsorted["alert_id"])})
        assert created.status_code == 303
        assert statuses(world, "Fibre") == {"Contoso": "investigating", "Fabrikam": "investigating"}
        [rule] = ada.call("GET", "/api/alert-rules", 200)["items"]
        rule_id: int = rule["id"]
        return rule_id

    def undo(rule_id: int) -> None:
        assert ada.post(f"/admin/alerts/rules/{rule_id}/undo", data={}).status_code == 303
        [again] = listed(world)
        assert (again["key"], again["unsorted"], again["issue_id"]) == ("f1", True, None)
        assert ada.call("GET", "/api/alert-rules", 200)["total"] == 0

    undo(create())
    ada.call("GET", "/api/issues/Fibre", 404)
    assert world.history()[-1].type == "issue.deleted", "nobody has touched it since the rule opened it"
    rule_id = create()
    world.client("tess").call("PUT", "/api/issues/Fibre", 200, json={"description": "The line to the north"})
    undo(rule_id)
    assert statuses(world, "Fibre") == {}, "a person has described it"
    rule_id = create()
    set_status(world, "in_progress", "Fibre", "Fabrikam")
    undo(rule_id)
    assert statuses(world, "Fibre") == {"Fabrikam": "in_progress"}, "a person has changed it since"


def test_undo_of_a_rule_keeps_what_another_alert_reports(world: World) -> None:
    path, ada, monitor = given_receiver(world, "alertmanager"), world.client("ada"), world.bearer("omar")
    probe = {"key": "probe", "issue": "North", "company": "Contoso"}

    def sort_and_undo(*, kept: bool) -> dict[str, str]:
        rule = given_rule(world, issue="North", company="{site}")
        for key in ("f1", "f2"):
            send(world, path, message(key=key, site="Contoso"))
        if kept:
            assert monitor.call("POST", "/api/alerts", 200, json=probe | {"state": "firing"})["action"] == "kept"
        assert ada.post(f"/admin/alerts/rules/{rule['id']}/undo", data={}).status_code == 303
        return statuses(world, "North")

    assert sort_and_undo(kept=True) == {"Contoso": "investigating"}
    assert [alert["key"] for alert in listed(world, "?state=firing") if not alert["unsorted"]] == ["probe"]
    assert monitor.call("POST", "/api/alerts", 200, json=probe | {"state": "resolved"})["action"] == "cleared"
    assert sort_and_undo(kept=False) == {}


def test_undo_of_a_rule_replaces_an_older_alert_with_the_same_key(world: World) -> None:
    path, ada = given_receiver(world, "alertmanager"), world.client("ada")
    group = {"name": "Contoso Fibre", "company_names": ["Contoso", "Fabrikam"]}
    ada.call("POST", "/api/company-groups", 201, json=group)
    for state in ("firing", "resolved"):
        send(world, path, message(state, company="Acme Manufacturing"))
    rule = given_rule(world, issue="Fibre", company="{provider}", company_by="group")
    send(world, path, message())
    assert {alert["key"] for alert in listed(world)} == {"f1", "f1@contoso", "f1@fabrikam"}
    assert ada.post(f"/admin/alerts/rules/{rule['id']}/undo", data={}).status_code == 303
    [again] = listed(world)
    assert (again["key"], again["state"], again["unsorted"], again["count"]) == ("f1", "firing", True, 1)
    assert statuses(world, "Fibre") == {"Acme Manufacturing": "resolved"}
    assert ada.post(f"/admin/alerts/rules/{rule['id']}/undo", data={}).status_code == 404
