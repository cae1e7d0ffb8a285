"""Messages with several alerts lock companies and issues in the order in which other changes of several do.

On SQLite, changes wait for each other.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from issue_tracker.actor import command_line
from issue_tracker.alerts.models import AlertState, Report
from issue_tracker.alerts.operations import receive
from issue_tracker.alerts.rule_list import create_rule
from issue_tracker.alerts.rule_undo import undo_rule
from issue_tracker.alerts.rules import Rule
from issue_tracker.companies.queries import get_company_by_name, lock_company
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.names import parse_issue_name, parse_name
from issue_tracker.retention import Retention
from tests.alerts.test_alerts import clear, listed, report, send, statuses
from tests.alerts.test_receivers import given_receiver
from tests.alerts.test_receivers import send as send_to
from tests.alerts.test_rules import given_rule, message
from tests.locks import during
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

ACTOR = command_line("tests")
LINE = parse_issue_name("Line down")
ASSIGNED = (("first", "First"), ("second", "Second"))


def _send(world: World, alerts: Sequence[dict[str, Any]], name: str = "monitor") -> list[str]:
    found = world.bearer("omar", name=name).call("POST", "/api/alerts", 200, json={"alerts": alerts})
    return [outcome["action"] for outcome in found["items"]]


def _issue(name: str) -> Callable[[Connection], Any]:
    return lambda tx: get_issue_head(tx, ACTOR, name, lock=True)


def _company(name: str) -> Callable[[Connection], Any]:
    return lambda tx: lock_company(tx, ACTOR, get_company_by_name(tx, ACTOR, name).company_id)


def test_issues_are_locked_in_the_order_of_their_ids(world: World) -> None:
    """Resolved alerts need not name their issues, so an order by names would be that of the sender."""
    _send(world, [report(key, issue=issue) for key, issue in ASSIGNED])
    over = [{"key": key, "state": "resolved"} for key, _ in reversed(ASSIGNED)]
    act = partial(_send, world, over, "over")
    assert during(world, _issue("First"), act, _issue("Second")) == ["cleared", "cleared"]


def test_issues_with_former_names_are_locked_in_the_order_of_their_ids(world: World) -> None:
    """Their order by name is another one."""
    for name, former in (("First", "Z"), ("Second", "A")):
        world.given_issue(former)
        world.client("ada").call("PUT", f"/api/issues/{former}", 200, json={"new_name": name})
    alerts = [report(former, issue=former) for former in "AZ"]
    act = partial(_send, world, alerts)
    assert during(world, _issue("First"), act, _issue("Second")) == ["assigned", "assigned"]


def test_companies_are_locked_before_issues(world: World) -> None:
    """A new name of a company locks the company, and then its issues."""
    world.given_issue("Line down", {"Fabrikam": "resolved"})
    alerts = [report("c", company="Contoso"), report("f", company="Fabrikam")]

    act = partial(_send, world, alerts)
    assert during(world, _company("Fabrikam"), act, _issue("Line down")) == ["assigned", "reopened"]
    assert statuses(world) == {"Contoso": "investigating", "Fabrikam": "investigating"}
    assert clear(world.bearer("omar", name="over"), "c")["action"] == "cleared"


def test_an_alert_that_fires_again_is_not_deleted_as_an_old_one(world: World) -> None:
    """Its report began before the retention, and is committed after it. Otherwise the alert would never clear."""
    monitor = world.bearer("omar")
    send(monitor)
    clear(monitor)
    world.clock.advance(days=91)
    retention = Retention(world.database, world.server.settings)
    again = Report(key="probe/contoso", state=AlertState.FIRING, issue=LINE, company="Contoso")
    during(world, lambda tx: receive(tx, ACTOR, [again]), lambda: retention.prune(world.clock.now()))
    assert [alert["state"] for alert in listed(world)] == ["firing"]
    assert clear(world.bearer("omar", name="over"))["action"] == "cleared"


def _rule(world: World, name: str, issue: str) -> Callable[[], int]:
    """Creates a rule about Contoso, and returns its undo."""
    rule = {"name": name, "rule": {"issue": issue, "company": "Contoso"}}
    rule_id = world.client("ada").call("POST", "/api/alert-rules", 201, json=rule)["id"]

    def undo() -> int:
        with world.database.write() as tx:
            return undo_rule(tx, ACTOR, rule_id)

    return undo


def _fire_at_places(world: World) -> None:
    made = world.client("ada").call("POST", "/api/alert-receivers", 201, json={"name": "Any", "kind": "generic"})
    for name, key in (("First", "z"), ("Second", "a")):
        firing = {"key": key, "state": "firing", "place": name}
        world.anonymous().call("POST", made["url"].removeprefix(world.server.settings.public_url), 202, json=firing)


def test_the_undo_of_a_rule_locks_issues_in_the_order_of_their_ids(world: World) -> None:
    undo = _rule(world, "Any", "{place}")
    _fire_at_places(world)
    assert during(world, _issue("First"), undo, _issue("Second")) == 2


def test_the_undo_of_a_rule_locks_companies_before_issues(world: World) -> None:
    """The remaining rule assigns the company to another issue."""
    undo = _rule(world, "Places", "{place}")
    _fire_at_places(world)
    _rule(world, "All", "Third")
    assert during(world, _company("Contoso"), undo, _issue("First")) == 2
    assert statuses(world, "Third") == {"Contoso": "investigating"}


def test_rules_that_are_created_at_the_same_time_have_different_positions(world: World) -> None:
    """Even if there is no rule yet, whose row could be locked."""
    during(world, lambda tx: create_rule(tx, ACTOR, parse_name("First"), Rule()), partial(given_rule, world, "Second"))
    rules = world.client().call("GET", "/api/alert-rules", 200)["items"]
    assert [(rule["name"], rule["position"]) for rule in rules] == [("First", 1), ("Second", 2)]


def test_an_alert_that_is_resolved_meanwhile_is_not_sorted(world: World) -> None:
    """Its sender does not report it again, so nothing would clear the assignment."""
    send_to(world, given_receiver(world, "alertmanager"), message(company=""))
    [alert] = listed(world, "?state=unsorted")
    receiver_id = world.client("ada").call("GET", "/api/alert-receivers", 200)["items"][0]["id"]

    def resolve(tx: Connection) -> None:
        over = Report(key=alert["key"], state=AlertState.RESOLVED)
        receive(tx, ACTOR, [over], receiver_id=receiver_id)

    during(world, resolve, partial(given_rule, world, company="Contoso"))
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0
    assert [alert["state"] for alert in listed(world)] == ["resolved"]
