"""When the hold of an alert ends, the rules decide that apply then, to the companies that they find then."""

from typing import Any

import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from issue_tracker.alerts.due import DueAlerts
from issue_tracker.database.tables import alerts
from tests.alerts.test_alerts import listed, statuses
from tests.alerts.test_receivers import given_receiver, send
from tests.alerts.test_rules import given_rule, message, wait
from tests.clients import Client
from tests.engines import decided_in_python
from tests.server import serving
from tests.waiting import eventually
from tests.world import PASSWORD, World


def change(world: World, rule_id: int, **rule: Any) -> None:
    world.client("ada").call("PUT", f"/api/alert-rules/{rule_id}", 200, json={"rule": rule})


def given_group(world: World, *names: str) -> str:
    """Creates a group, and returns its path."""
    body = {"name": "Contoso Fibre", "company_names": names}
    return f"/api/company-groups/{world.client('ada').call('POST', '/api/company-groups', 201, json=body)['group_id']}"


def issues(client: Client) -> list[str]:
    return [issue["name"] for issue in client.call("GET", "/api/issues", 200)["items"]]


def test_a_rule_that_ignores_an_alert_ends_its_hold(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_group(world, "Contoso", "Fabrikam")
    rule = given_rule(world, hold_minutes=10)
    several = given_rule(
        world,
        "Fibre",
        1,
        company="{supplier}",
        company_by="group",
        hold_minutes=10,
        conditions=[{"label": "supplier", "operator": "is_not"}],
    )
    send(world, path, message())
    assert send(world, path, message(supplier="Contoso Fibre")) == {"received": 2, "held": 2}
    for rule_id in (rule["id"], several["id"]):
        change(world, rule_id, ignore=True)
    wait(world, minutes=11)
    assert issues(world.client()) == [] and listed(world) == []
    assert send(world, path, message("resolved")) == {}


def test_a_changed_rule_decides_after_the_hold(world: World) -> None:
    path, ada = given_receiver(world, "alertmanager"), world.client("ada")
    rule = given_rule(world, hold_minutes=10, severity="low")
    send(world, path, message())
    change(world, rule["id"], hold_minutes=20, issue="Lines", company="Fabrikam", severity="high")
    wait(world, minutes=11)
    assert issues(ada) == []
    wait(world, minutes=10)
    assert statuses(world, "Lines") == {"Fabrikam": "investigating"}
    assert ada.call("GET", "/api/issues/Lines", 200)["severity"] == "high"
    assert send(world, path, message("resolved")) == {"received": 1, "cleared": 1}

    change(world, rule["id"], hold_minutes=10)
    send(world, path, message())
    change(world, rule["id"], hold_minutes=10, company="Nobody")
    wait(world, minutes=11)
    assert [alert["company"] for alert in listed(world, "?state=unsorted")] == ["Nobody"]
    send(world, path, message("resolved"))

    change(world, rule["id"], hold_minutes=10)
    send(world, path, message())
    ada.call("DELETE", f"/api/alert-rules/{rule['id']}", 204)
    wait(world, minutes=11)
    assert statuses(world, "LineDown") == {"Contoso": "investigating"}


def test_the_companies_of_a_group_are_those_after_the_hold(world: World) -> None:
    path, ada = given_receiver(world, "alertmanager"), world.client("ada")
    group = given_group(world, "Contoso", "Fabrikam")
    rule = given_rule(world, company="Contoso Fibre", company_by="group", hold_minutes=10)
    send(world, path, message())
    ada.call("PUT", group, 200, json={"company_names": ["Contoso"]})
    wait(world, minutes=11)
    assert statuses(world, "LineDown") == {"Contoso": "investigating"}
    assert send(world, path, message("resolved")) == {"received": 1, "cleared": 1}

    # From a group to one of its companies, and to another company.
    for company in ("Contoso", "Acme Manufacturing"):
        change(world, rule["id"], company="Contoso Fibre", company_by="group", hold_minutes=10)
        send(world, path, message())
        change(world, rule["id"], company=company)
        wait(world, minutes=11)
        assert statuses(world, "LineDown")[company] == "investigating"
        assert send(world, path, message("resolved"))["cleared"] == 1
        assert set(statuses(world, "LineDown").values()) == {"resolved"}
        assert listed(world, "?state=firing") == []

    # From one company to a group: each of its alerts is held as a new one.
    change(world, rule["id"], hold_minutes=10)
    send(world, path, message())
    change(world, rule["id"], company="Contoso Fibre", company_by="group", hold_minutes=10)
    ada.call("PUT", group, 200, json={"company_names": ["Fabrikam"]})
    for _ in range(2):
        wait(world, minutes=11)
    assert statuses(world, "LineDown")["Fabrikam"] == "investigating"
    assert send(world, path, message("resolved")) == {"received": 1, "cleared": 1}
    assert listed(world, "?state=firing") == []


def test_an_alert_that_cannot_be_handled_does_not_delay_the_others(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, hold_minutes=10)
    names = ["Contoso", "Fabrikam", "Acme Manufacturing"]
    for company in names:
        assert send(world, path, message(company=company)) == {"received": 1, "held": 1}
    with world.database.write() as tx:
        tx.execute(update(alerts).where(alerts.c.company_text == "Contoso").values(labels="{"))
    world.clock.advance(minutes=11)
    DueAlerts(world.database).handle_all(world.clock.now())

    def number_due() -> int:
        with world.database.read() as tx:
            return tx.execute(select(func.count()).where(alerts.c.due_at.is_not(None))).scalar_one()

    eventually(lambda: number_due() == 1)  # on PostgreSQL, a transaction of the server's own thread may still be open
    assert statuses(world, "LineDown") == dict.fromkeys(names[1:], "investigating")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_alert_that_cannot_be_handled_is_tried_less_and_less_often(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, hold_minutes=10)
    send(world, path, message())
    with world.database.write() as tx:
        tx.execute(update(alerts).values(labels="{"))
    world.clock.advance(minutes=11)
    due = DueAlerts(world.database)

    def failures(rounds: int) -> int:
        with capture_logs() as logged:
            for _ in range(rounds):
                due.handle_all(world.clock.now())
        return sum(line["event"] == "handling an alert that is due failed" for line in logged)

    # After 2 more rounds, 3, 5, 9…; the server's own thread may fail once or twice meanwhile.
    assert 5 <= failures(20) <= 7
    assert 0 < failures(2000) <= 16
    with world.database.write() as tx:
        tx.execute(update(alerts).values(labels="{}"))
    failures(721)
    assert listed(world, "?state=unsorted") != []


def switch(world: World, *, on: bool) -> None:
    """Switches the only receiver on or off."""
    ada = world.client("ada")
    [receiver] = ada.call("GET", "/api/alert-receivers", 200)["items"]
    ada.call("POST", "/api/auth/confirm", 204, json={"password": PASSWORD})
    ada.call("PUT", f"/api/alert-receivers/{receiver['id']}", 200, json={"active": on})


@decided_in_python
def test_a_server_handles_alerts_when_they_are_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issue_tracker.alerts.due.INTERVAL_SECONDS", 0.02)
    path = given_receiver(world, "alertmanager")
    given_rule(world, hold_minutes=10)
    with serving(world.server.settings):
        assert send(world, path, message()) == {"received": 1, "held": 1}
        world.clock.advance(minutes=11)
        eventually(lambda: issues(world.client()) == ["LineDown"])


def test_a_receiver_that_is_switched_off_opens_nothing_when_a_hold_ends(world: World) -> None:
    path, ada = given_receiver(world, "alertmanager"), world.client("ada")
    given_rule(world, hold_minutes=10, steady_minutes=10)
    send(world, path, message(alertname="Before"))
    wait(world, minutes=11)
    send(world, path, message("resolved", alertname="Before"))
    for name in ("Repeated", "Over"):
        send(world, path, message(alertname=name))
    switch(world, on=False)
    wait(world, minutes=11)
    assert issues(ada) == ["Before"] and statuses(world, "Before") == {"Contoso": "resolved"}
    switch(world, on=True)
    wait(world, minutes=11)
    assert issues(ada) == ["Before"]
    assert send(world, path, message("resolved", alertname="Over")) == {"received": 1, "ignored": 1}
    assert send(world, path, message(alertname="Repeated")) == {"received": 1, "opened": 1}
    assert issues(ada) == ["Before", "Repeated"]

    # A hold that has not ended yet continues.
    send(world, path, message(alertname="Short"))
    for on in (False, True):
        switch(world, on=on)
    wait(world, minutes=11)
    assert issues(ada) == ["Before", "Repeated", "Short"]


def test_a_receiver_that_is_switched_off_opens_nothing_when_rules_change(world: World) -> None:
    path, ada = given_receiver(world, "alertmanager"), world.client("ada")
    for name in ("Line", "Disk"):
        assert send(world, path, message(alertname=name, company="Site 7")) == {"received": 1, "unsorted": 1}
    switch(world, on=False)
    rule = given_rule(world, company="Contoso")
    change(world, rule["id"], company="Fabrikam")
    assert issues(ada) == [] and len(listed(world, "?state=unsorted")) == 2
    switch(world, on=True)
    assert send(world, path, message(alertname="Disk", company="Site 7")) == {"received": 1, "opened": 1}
    change(world, rule["id"], company="Contoso")
    assert statuses(world, "Line") == {"Contoso": "investigating"}
    assert statuses(world, "Disk") == {"Fabrikam": "investigating"}


def rename(world: World, company: str, name: str) -> None:
    ada = world.client("ada")
    [found] = [one for one in ada.call("GET", "/api/companies", 200)["items"] if one["name"] == company]
    ada.call("PUT", f"/api/companies/{found['company_id']}", 200, json={"name": name})


def test_a_company_that_is_renamed_during_a_hold_remains_known(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, hold_minutes=10)
    assert send(world, path, message()) == {"received": 1, "held": 1}
    rename(world, "Contoso", "Contoso Ltd")
    assert send(world, path, message()) == {"received": 1, "held": 1}
    for _ in range(2):
        wait(world, minutes=11)
        assert statuses(world, "LineDown") == {"Contoso Ltd": "investigating"}
        assert send(world, path, message("resolved")) == {"received": 1, "cleared": 1}
        assert send(world, path, message()) == {"received": 1, "held": 1}


def test_a_company_of_a_group_that_is_renamed_is_not_held_again(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_group(world, "Contoso", "Fabrikam")
    given_rule(world, company="Contoso Fibre", company_by="group", hold_minutes=10)
    send(world, path, message())
    wait(world, minutes=11)
    before = world.history()
    rename(world, "Contoso", "Contoso Ltd")
    renamed = len(world.history())
    assert send(world, path, message()) == {"received": 3, "kept": 3}
    assert len(world.history()) == renamed >= len(before)
    assert send(world, path, message("resolved")) == {"received": 2, "cleared": 2}

    # During a hold, with and without another message, the rest of it remains.
    for name, other in (("Contoso Ltd", "Contoso"), ("Contoso", "Contoso Inc")):
        assert send(world, path, message()) == {"received": 2, "held": 2}
        world.clock.advance(minutes=6)
        rename(world, name, other)
        if other == "Contoso":
            assert send(world, path, message())["held"] == 2
        wait(world, minutes=5)
        assert statuses(world, "LineDown") == {other: "investigating", "Fabrikam": "investigating"}
        assert send(world, path, message("resolved"))["cleared"] == 2
        assert listed(world, "?state=firing") == []
