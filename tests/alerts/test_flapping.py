"""An alert that changes its state repeatedly remains open and is marked as flapping, without overwriting changes by
people.
"""

from typing import Any

from sqlalchemy import update

from issue_tracker.database.tables import alerts
from tests.alerts.test_alerts import listed, set_status, statuses
from tests.alerts.test_receivers import given_receiver, send
from tests.alerts.test_rules import given_rule, message, wait
from tests.world import World


def updates(world: World) -> list[str]:
    """Returns the texts on the issue, all of which are for the company of the alert only."""
    found: list[dict[str, Any]] = world.client().call("GET", "/api/updates?issueName=LineDown", 200)["items"]
    assert [one["company_names"] for one in found] == [["Contoso"]] * len(found)
    return [update["body"] for update in found if not update["public"]]


def flap(world: World, path: str, *states: str) -> list[str]:
    """Sends the states, one each minute, and returns their effects."""
    outcomes = []
    for state in states:
        wait(world, minutes=1)
        outcomes.append(next(name for name in send(world, path, message(state)) if name != "received"))
    return outcomes


def test_a_flapping_alert_remains_open_and_is_marked(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, flap_changes=3, flap_minutes=30)
    first = flap(world, path, "firing", "resolved", "firing", "resolved", "firing")
    assert first == ["opened", "cleared", "reopened", "cleared", "reopened"]
    assert not listed(world)[0]["flapping"]
    assert flap(world, path, "resolved", "firing", "firing", "resolved") == ["held", "kept", "kept", "held"]
    assert listed(world)[0]["flapping"] and statuses(world, "LineDown") == {"Contoso": "investigating"}
    [said] = updates(world)
    assert "is flapping: it has changed its state more than 3 times within 30 minutes" in said

    wait(world, minutes=29)
    assert statuses(world, "LineDown") == {"Contoso": "investigating"}
    wait(world, minutes=2)
    assert statuses(world, "LineDown") == {"Contoso": "resolved"} and not listed(world)[0]["flapping"]
    assert flap(world, path, "firing", "resolved") == ["reopened", "cleared"], "it was steady for long enough"
    assert len(updates(world)) == 1


def test_the_note_of_a_held_alert_is_the_last_summary(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, steady_minutes=10)
    for state, summary in (("firing", "No carrier"), ("resolved", "Carrier is back")):
        [alert] = message(state)["alerts"]
        send(world, path, {"alerts": [alert | {"annotations": {"summary": summary}}]})
    wait(world, minutes=11)
    assert [(event.to_value, event.note) for event in world.history()[-1:]] == [("resolved", "Carrier is back")]


def test_another_alert_does_not_clear_what_a_flapping_one_keeps_open(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, flap_changes=1, flap_minutes=30)
    assert flap(world, path, "firing") == ["opened"]
    assert send(world, path, message(check="other")) == {"received": 1, "kept": 1}
    assert flap(world, path, "resolved", "firing", "resolved") == ["kept", "kept", "held"]
    assert send(world, path, message("resolved", check="other")) == {"received": 1, "kept": 1}
    assert statuses(world, "LineDown") == {"Contoso": "investigating"}
    wait(world, minutes=31)
    assert statuses(world, "LineDown") == {"Contoso": "resolved"}


def test_a_flapping_alert_does_not_keep_another_one_from_clearing(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, flap_changes=1, flap_minutes=30)
    assert flap(world, path, "firing") == ["opened"]
    assert send(world, path, message(check="other")) == {"received": 1, "kept": 1}
    assert flap(world, path, "resolved", "firing", "resolved") == ["kept", "kept", "held"]
    wait(world, minutes=31)
    assert statuses(world, "LineDown") == {"Contoso": "investigating"}, "the other one is still firing"
    assert send(world, path, message("resolved", check="other")) == {"received": 1, "cleared": 1}
    assert statuses(world, "LineDown") == {"Contoso": "resolved"} and len(updates(world)) == 1


def test_a_flapping_alert_of_an_earlier_program_clears_its_assignment(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, flap_changes=1, flap_minutes=30)
    assert flap(world, path, "firing", "resolved", "firing", "resolved")[-1] == "held"
    [said] = [event for event in world.history() if event.type == "update.created"]
    with world.database.write() as tx:  # as stored by an earlier version
        tx.execute(update(alerts).values(opening_event_id=said.event_id))
    wait(world, minutes=31)
    assert statuses(world, "LineDown") == {"Contoso": "resolved"} and len(updates(world)) == 1


def test_flapping_does_not_overwrite_changes_by_a_person(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, flap_changes=1, flap_minutes=30)
    assert flap(world, path, "firing", "resolved", "firing", "resolved") == ["opened", "cleared", "reopened", "held"]
    set_status(world, "in_progress", "LineDown")
    wait(world, minutes=31)
    assert statuses(world, "LineDown") == {"Contoso": "in_progress"}


def test_without_a_limit_no_alert_is_flapping(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, flap_changes=0)
    assert flap(world, path, *["firing", "resolved"] * 10)[-2:] == ["reopened", "cleared"]
    assert updates(world) == []


def test_alerts_are_damped_unless_a_rule_disables_it(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    outcomes = flap(world, path, *["firing", "resolved"] * 7)
    assert outcomes.count("cleared") == 5 and outcomes[-1] == "held"


def test_an_alert_that_was_held_follows_its_new_names_once_it_is_over(world: World) -> None:
    """Until then it keeps its assignment open, as an alert does that fires all the time."""
    path = given_receiver(world, "alertmanager")
    rule = given_rule(world, steady_minutes=10)

    def report(state: str, company: str) -> dict[str, int]:
        [alert] = message(state, company=company)["alerts"]
        return send(world, path, {"alerts": [alert | {"fingerprint": "1"}]})

    assert report("firing", "Contoso") == {"received": 1, "opened": 1}
    assert report("resolved", "Contoso") == {"received": 1, "held": 1}
    new = {"rule": {"issue": "Outage", "steady_minutes": 10}}
    world.client("ada").call("PUT", f"/api/alert-rules/{rule['id']}", 200, json=new)
    assert report("firing", "Fabrikam") == {"received": 1, "kept": 1}
    assert report("resolved", "Fabrikam") == {"received": 1, "held": 1}
    wait(world, minutes=11)
    assert statuses(world, "LineDown") == {"Contoso": "resolved"}
    assert report("firing", "Fabrikam") == {"received": 1, "opened": 1}
    assert statuses(world, "LineDown") == {"Contoso": "resolved"}
    assert statuses(world, "Outage") == {"Fabrikam": "investigating"}
