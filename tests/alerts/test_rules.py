"""Rules decide the issue and the company of an alert, and which alerts are ignored, held or damped; they can
be tried.
"""

from typing import Any

from sqlalchemy import select

from issue_tracker.alerts.due import DueAlerts
from issue_tracker.database.tables import alerts
from tests.alerts.test_alerts import listed, set_status, statuses
from tests.alerts.test_receivers import given_receiver, send
from tests.cases import cases
from tests.engines import decided_in_python
from tests.waiting import eventually
from tests.world import World


def given_rule(world: World, name: str = "Rule", position: int | None = None, **rule: Any) -> dict[str, Any]:
    body = {"name": name, "rule": rule, "position": position}
    made: dict[str, Any] = world.client("ada").call("POST", "/api/alert-rules", 201, json=body)
    return made


def message(state: str = "firing", **labels: str) -> dict[str, Any]:
    return {"alerts": [{"status": state, "labels": {"alertname": "LineDown", "company": "Contoso", **labels}}]}


def wait(world: World, **time: float) -> None:
    """Advances the clock, and handles the alerts that are due then."""
    world.clock.advance(**time)
    DueAlerts(world.database).handle_all(world.clock.now())

    def all_handled() -> bool:
        with world.database.read() as tx:
            return tx.execute(select(alerts.c.alert_id).where(alerts.c.due_at <= world.clock.now())).first() is None

    # The server's own thread may have been faster: on PostgreSQL, its transaction may still be open.
    eventually(all_handled)


def test_ten_alerts_of_one_cause_become_one_issue(world: World) -> None:
    """Ten lines of one provider fail: the issue is named after the provider, whatever the alerts are called."""
    path = given_receiver(world, "alertmanager")
    given_rule(
        world,
        conditions=[{"label": "provider", "operator": "like", "value": "*FIBRE*"}],
        issue="{provider} outage",
        company="{customer}",
        company_by="likeness",
        severity="high",
    )
    names = [f"Branch {letter * 4} Holding" for letter in "abcdefghij"]
    world.given_companies(*names)
    alerts = [
        {"status": "firing", "labels": {"alertname": f"gw-{name}", "provider": "Contoso Fibre", "customer": name[:11]}}
        for name in names
    ]
    assert send(world, path, {"alerts": alerts}) == {"received": 10, "opened": 1, "assigned": 9}
    assert statuses(world, "Contoso Fibre outage") == dict.fromkeys(names, "investigating")
    found = world.client().call("GET", "/api/issues/Contoso Fibre outage", 200)
    assert found["severity"] == "high" and world.client().call("GET", "/api/issues", 200)["total"] == 1


def test_the_first_rule_that_matches_decides(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, "All", issue="All", conditions=[{"label": "none", "operator": "is_not", "value": "x"}])
    given_rule(world, "Noise", 1, ignore=True, conditions=[{"label": "team", "value": "Dev"}])
    given_rule(world, "Elsewhere", 2, ignore=True, receiver="Another receiver")
    first = world.client().call("GET", "/api/alert-rules", 200)["items"]
    assert [(rule["name"], rule["position"]) for rule in first] == [("Noise", 1), ("Elsewhere", 2), ("All", 3)]
    assert send(world, path, message(team="dev")) == {}
    assert send(world, path, message(team="ops")) == {"received": 1, "opened": 1}
    assert statuses(world, "All") == {"Contoso": "investigating"} and len(listed(world)) == 1

    ada = world.client("ada")
    all_id, noise_id = first[2]["id"], first[0]["id"]
    moved = ada.call("PUT", f"/api/alert-rules/{all_id}", 200, json={"position": 1, "name": "Everything"})
    assert (moved["name"], moved["position"]) == ("Everything", 1)
    ada.call("DELETE", f"/api/alert-rules/{noise_id}", 204)
    ada.call("DELETE", f"/api/alert-rules/{noise_id}", 404)
    left = ada.call("GET", "/api/alert-rules", 200)["items"]
    assert [(rule["name"], rule["position"]) for rule in left] == [("Everything", 1), ("Elsewhere", 2)]


def test_a_rule_that_stays_in_its_place_is_not_changed(world: World) -> None:
    first, last = (given_rule(world, name)["id"] for name in ("First", "Last"))
    ada = world.client("ada")
    for rule_id, position in ((first, 1), (last, 2), (last, 500)):
        kept = ada.call("PUT", f"/api/alert-rules/{rule_id}", 200, json={"position": position})
        assert kept["position"] == min(position, 2)
    assert ada.call("GET", "/api/events?type=alert_rule.updated", 200)["total"] == 0


def test_a_group_stands_for_all_of_its_companies(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    group = {"name": "Contoso Fibre", "company_names": ["Contoso", "Fabrikam"]}
    world.client("ada").call("POST", "/api/company-groups", 201, json=group)
    given_rule(world, issue="Fibre", company="{provider}", company_by="group")
    assert send(world, path, message(provider="contoso fibre")) == {"received": 2, "opened": 1, "assigned": 1}
    assert statuses(world, "Fibre") == {"Contoso": "investigating", "Fabrikam": "investigating"}
    assert send(world, path, message("resolved", provider="contoso fibre")) == {"received": 2, "cleared": 2}
    assert send(world, path, message(provider="nobody")) == {"received": 1, "unsorted": 1}


def test_tags_are_names_of_companies(world: World) -> None:
    path = given_receiver(world, "healthchecks")
    given_rule(world, issue="Shared storage", company="{tags}", company_by="tag")
    check = {"name": "Storage", "code": "8f1c", "status": "down", "tags": "prod nobody"}
    assert send(world, path, check) == {"received": 1, "unsorted": 1}
    check["tags"] = "prod contoso acme-manufacturing contoso"
    assert send(world, path, check) == {"received": 2, "opened": 1, "assigned": 1}
    assert statuses(world, "Shared storage") == {"Contoso": "investigating", "Acme Manufacturing": "investigating"}
    assert listed(world, "?state=unsorted") == []
    assert send(world, path, check | {"status": "up"}) == {"received": 2, "cleared": 2}


def test_ten_lines_that_fail_one_after_the_other_are_one_issue(world: World) -> None:
    """Two systems report them, minutes apart; the alerts are held, and join the issue while it is open."""
    given_rule(world, issue="{provider} outage", hold_minutes=5)
    paths = given_receiver(world, "alertmanager"), given_receiver(world, "grafana")
    names = [f"Branch {letter * 4} Holding" for letter in "abcdefghij"]
    world.given_companies(*names)
    for number, name in enumerate(names):
        alert = message(provider="Contoso Fibre", company=name, line=str(number))
        assert send(world, paths[number % 2], alert) == {"received": 1, "held": 1}
        wait(world, minutes=1)
    assert statuses(world, "Contoso Fibre outage") == dict.fromkeys(names[:6], "investigating")
    wait(world, minutes=5)
    assert statuses(world, "Contoso Fibre outage") == dict.fromkeys(names, "investigating")
    assert world.client().call("GET", "/api/issues", 200)["total"] == 1


def test_an_alert_without_a_rule_is_unsorted_until_a_rule_is_added(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    unknown = {"alerts": [{"status": "firing", "labels": {"job": "backup", "tenant_name": "contoso gmbh"}}]}
    assert send(world, path, unknown) == {"received": 1, "unsorted": 1}
    [alert] = listed(world, "?state=unsorted")
    assert alert["labels"] == {"job": "backup", "tenant_name": "contoso gmbh"}
    given_rule(world, issue="{job} failed", company="{tenant_name}", company_by="likeness")
    [sorted_out] = listed(world)
    assert (sorted_out["count"], sorted_out["last_at"]) == (alert["count"], alert["last_at"]), "nothing was reported"
    assert send(world, path, unknown) == {"received": 1, "kept": 1}
    assert statuses(world, "backup failed") == {"Contoso": "investigating"}
    assert listed(world, "?state=unsorted") == []
    send(world, path, message(job="dev", company=""))
    given_rule(world, position=1, ignore=True, conditions=[{"label": "job", "value": "dev"}])
    assert listed(world, "?state=unsorted") == [], "a rule that ignores it sorts it, too"


def test_a_suggested_rule_is_about_the_alert_alone(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    labels = {"alertname": " ", "region": "", "site": "Contoso GmbH"}
    assert send(world, path, {"alerts": [{"status": "firing", "labels": labels}]}) == {"received": 1, "unsorted": 1}
    [alert] = listed(world, "?state=unsorted")
    shown = world.client("ada").get(f"/admin/alerts/rules/new?alert={alert['alert_id']}").text
    assert "site = Contoso GmbH" in shown and "region =" not in shown
    assert "The alert would be about" in shown and shown.count('value="{site}"') == 2, "the issue and the company"
    world.client("tess").call("GET", f"/admin/alerts/rules/new?alert={alert['alert_id']}", 403)
    for number in (alert["alert_id"] + 1, 2**63 - 1):
        unknown = world.client("ada").get(f"/admin/alerts/rules/new?alert={number}")
        assert unknown.status_code == 200 and "The alert would be about" not in unknown.text
        suggested = world.client("ada").post("/admin/alerts/rules/suggested", data={"alert": str(number)})
        assert suggested.status_code == 404
    for refused in ("alert=x", f"alert={2**63}", "alert=1&alert=2", "alarm=1"):
        world.client("ada").call("GET", f"/admin/alerts/rules/new?{refused}", 422)
    # No rule can be suggested for an alert whose labels are all empty.
    send(world, path, {"alerts": [{"status": "firing", "labels": {"alertname": " "}, "fingerprint": "2"}]})
    form = {"alert": str(listed(world, "?state=unsorted")[0]["alert_id"])}
    assert world.client("ada").post("/admin/alerts/rules/suggested", data=form).status_code == 400


def test_a_held_alert_opens_an_issue_only_if_it_lasts(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, hold_minutes=10)
    assert send(world, path, message()) == {"received": 1, "held": 1}
    wait(world, minutes=5)
    assert send(world, path, message("resolved")) == {"received": 1, "ignored": 1}
    wait(world, minutes=20)
    assert send(world, path, message()) == {"received": 1, "held": 1}
    wait(world, minutes=9)
    assert send(world, path, message()) == {"received": 1, "held": 1}
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0
    wait(world, minutes=2)
    assert statuses(world, "LineDown") == {"Contoso": "investigating"}
    assert send(world, path, message()) == {"received": 1, "kept": 1}
    assert send(world, path, message("resolved")) == {"received": 1, "cleared": 1}


def test_an_unsorted_alert_is_held_for_as_long_as_it_must_fire(world: World) -> None:
    """The time for which it was unsorted counts."""
    path = given_receiver(world, "alertmanager")
    for check in ("disk", "line"):
        send(world, path, message(company="", check=check))
        wait(world, minutes=8)
    given_rule(world, issue="{check}", company="Contoso", hold_minutes=10)
    assert statuses(world, "disk") == {"Contoso": "investigating"}
    assert world.client().call("GET", "/api/issues", 200)["total"] == 1
    wait(world, minutes=3)
    assert statuses(world, "line") == {"Contoso": "investigating"}


def test_a_flapping_alert_changes_nothing_until_it_is_stable(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, steady_minutes=10, cleared_status="monitoring")
    send(world, path, message())
    events = len(world.history())
    for _ in range(3):
        assert send(world, path, message("resolved")) == {"received": 1, "held": 1}
        wait(world, minutes=9)
        assert send(world, path, message()) == {"received": 1, "kept": 1}
    assert statuses(world, "LineDown") == {"Contoso": "investigating"} and len(world.history()) == events
    send(world, path, message("resolved"))
    wait(world, minutes=11)
    assert statuses(world, "LineDown") == {"Contoso": "monitoring"} and len(world.history()) == events + 1
    send(world, path, message())
    set_status(world, "in_progress", "LineDown")
    send(world, path, message("resolved"))
    wait(world, minutes=11)
    assert statuses(world, "LineDown") == {"Contoso": "in_progress"}


def test_an_alert_clears_again_what_it_left_in_an_open_status(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, cleared_status="monitoring")
    for _ in range(2):
        send(world, path, message())
        assert send(world, path, message("resolved")) == {"received": 1, "cleared": 1}
        assert statuses(world, "LineDown") == {"Contoso": "monitoring"}
    send(world, path, message())
    set_status(world, "in_progress", "LineDown")
    set_status(world, "monitoring", "LineDown")
    assert send(world, path, message("resolved")) == {"received": 1, "kept": 1}, "a person has changed it"
    assert world.client().call("GET", "/api/updates?issueName=LineDown", 200)["total"] == 1


def test_an_alert_that_fires_again_reopens_what_a_person_finished(world: World) -> None:
    """They finish it while the alert, which is resolved, has to be resolved for longer."""
    path, ada = given_receiver(world, "alertmanager"), world.client("ada")
    given_rule(world, steady_minutes=10, flap_changes=0)
    send(world, path, message())
    assignment = "/api/issues/status?issueName=LineDown&companyName=Contoso"
    for finish, effect in (
        (lambda: set_status(world, "resolved", "LineDown"), "reopened"),
        (lambda: set_status(world, "closed", "LineDown"), "reopened"),
        (lambda: ada.call("DELETE", assignment, 204), "assigned"),
        (lambda: ada.call("DELETE", "/api/issues/LineDown", 204), "opened"),
    ):
        assert send(world, path, message("resolved")) == {"received": 1, "held": 1}
        finish()
        assert send(world, path, message()) == {"received": 1, effect: 1}
        assert statuses(world, "LineDown") == {"Contoso": "investigating"}
    assert send(world, path, message("resolved")) == {"received": 1, "held": 1}
    wait(world, minutes=11)
    assert statuses(world, "LineDown") == {"Contoso": "resolved"}


def test_a_rule_can_be_tried_before_it_is_saved(world: World) -> None:
    ada = world.client("ada")
    labels = {"alertname": "Disk", "company": "contosso", "severity": "Warning"}
    tried = ada.call("POST", "/api/alert-rules/try", 200, json={"labels": labels})
    assert (tried["rule_name"], tried["issue_name"], tried["company_names"]) == (None, "Disk", [])
    draft: dict[str, Any] = {"company_by": "likeness", "issue": "{alertname} full", "hold_minutes": 5}
    tried = ada.call("POST", "/api/alert-rules/try", 200, json={"labels": labels, "rule": draft})
    assert (tried["issue_name"], tried["company_names"]) == ("Disk full", ["Contoso"])
    assert (tried["severity"], tried["hold_minutes"], tried["ignored"]) == ("medium", 5, False)
    given_rule(world, "Disks", **draft)
    assert ada.call("POST", "/api/alert-rules/try", 200, json={"labels": labels})["rule_name"] == "Disks"
    family = "n" * 253 + "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
    tried = ada.call(
        "POST", "/api/alert-rules/try", 200, json={"labels": {"issue": family}, "rule": {"issue": "{issue}"}}
    )
    assert tried["issue_name"] == family[:254], "a name that is too long ends before what it cuts off"
    assert ada.call("GET", "/api/alerts", 200)["total"] == 0


@decided_in_python
@cases(
    ("rule", "field"),
    [
        ({"hold_minutes": -1}, "rule.hold_minutes"),
        ({"company_by": "guess"}, "rule.company_by"),
        ({"cleared_status": "closed"}, "rule.cleared_status"),
        ({"conditions": [{"value": "x"}]}, "rule.conditions[0].label"),
        ({"conditions": [{"label": "x", "operator": "matches"}]}, "rule.conditions[0].operator"),
        ({"unknown": 1}, "rule.unknown"),
    ],
)
def test_invalid_rules_are_rejected(world: World, rule: dict[str, Any], field: str) -> None:
    refused = world.client("ada").call("POST", "/api/alert-rules", 400, json={"name": "R", "rule": rule})
    assert [error["field"] for error in refused["errors"]] == [field]
    assert world.client().call("GET", "/api/alert-rules", 200)["total"] == 0
