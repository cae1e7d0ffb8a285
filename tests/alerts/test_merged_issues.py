"""Alerts of merged issues clear what alerts opened, and do not overwrite changes by people."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, update

from issue_tracker.actor import command_line
from issue_tracker.alerts.queries import lock_alerts
from issue_tracker.database.tables import alerts
from issue_tracker.issues.queries.issue import get_issue_head
from tests.alerts.test_alerts import clear, send, set_status, statuses
from tests.locks import WAITING, during
from tests.waiting import eventually
from tests.world import World


def merge(world: World, source: str, into: str) -> None:
    world.client("tess").call("POST", "/api/issues/merge", 200, json={"issue_name": source, "into": into})


def test_alerts_of_merged_issues_are_cleared(world: World) -> None:
    monitor, both = world.bearer("omar"), {"Contoso": "resolved", "Acme Manufacturing": "resolved"}
    world.given_issue("Outage", both)
    send(monitor)
    send(monitor, key="f", company="Fabrikam")
    send(monitor, key="a", company="Acme Manufacturing")
    send(monitor, key="other", issue="Outage", company="Acme Manufacturing")
    merge(world, "Line down", "Outage")
    open_everywhere = {"Acme Manufacturing": "investigating", "Contoso": "investigating", "Fabrikam": "investigating"}
    assert statuses(world, "Outage") == open_everywhere
    assert [clear(monitor, key)["action"] for key in ("probe/contoso", "f")] == ["cleared", "cleared"]
    assert [clear(monitor, key)["action"] for key in ("a", "other")] == ["kept", "cleared"]
    assert set(statuses(world, "Outage").values()) == {"resolved"}


def test_a_merge_keeps_the_changes_of_people(world: World) -> None:
    """An assignment that a person opened or changed in one of the issues remains open."""
    monitor = world.bearer("omar")
    world.given_issue("Outage", {"Contoso": "monitoring"})
    for key, company in (("probe/contoso", "Contoso"), ("f", "Fabrikam"), ("a", "Acme Manufacturing")):
        send(monitor, key=key, company=company)
    send(monitor, key="other", issue="Outage", company="Acme Manufacturing")
    set_status(world, "in_progress", company="Fabrikam")
    set_status(world, "in_progress", company="Acme Manufacturing")
    merge(world, "Line down", "Outage")
    assert [clear(monitor, key)["action"] for key in ("probe/contoso", "f", "a", "other")] == ["kept"] * 4
    assert statuses(world, "Outage") == {
        "Acme Manufacturing": "investigating",
        "Contoso": "investigating",
        "Fabrikam": "in_progress",
    }


def test_a_merge_into_an_older_assignment_of_a_person_keeps_it(world: World) -> None:
    """Nothing happens to it, because it is less finished: its last event is older than those of the alert."""
    monitor = world.bearer("omar")
    world.given_issue("Outage", {"Contoso": "new"})
    send(monitor)
    set_status(world, "in_progress")
    merge(world, "Line down", "Outage")
    assert (clear(monitor)["action"], statuses(world, "Outage")) == ("kept", {"Contoso": "new"})


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_merge_and_a_report_do_not_block_each_other(world: World) -> None:
    """A report locks its alert before its issue. A merge that did it the other way round would be a deadlock."""
    world.given_issue("Outage")
    send(world.bearer("omar"))
    actor = command_line("tests")
    during(
        world,
        lambda tx: lock_alerts(tx, actor, 0, ["probe/contoso"]),
        lambda: merge(world, "Line down", "Outage"),
        lambda tx: get_issue_head(tx, actor, "Line down", lock=True),
    )
    assert statuses(world, "Outage") == {"Contoso": "investigating"}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_merge_also_locks_alerts_that_reach_the_issue_meanwhile(world: World) -> None:
    """The merge waits for a report that brings its alert to the issue, and another report waits for the alert."""
    monitor, actor = world.bearer("omar"), command_line("tests")
    world.given_issue("Outage")
    line = world.given_issue("Line down", {"Contoso": "investigating"})
    send(monitor, issue="Elsewhere")

    def bring(tx: Connection) -> None:
        lock_alerts(tx, actor, 0, ["probe/contoso"])
        get_issue_head(tx, actor, "Line down", lock=True)
        tx.execute(update(alerts).values(issue_id=line))

    with ThreadPoolExecutor(1) as thread:
        clearing: list[Future[dict[str, Any]]] = []

        def report_again(tx: Connection) -> None:
            clearing.append(thread.submit(clear, monitor))
            eventually(lambda: tx.execute(WAITING).scalar_one() > 1)

        during(world, bring, lambda: merge(world, "Line down", "Outage"), report_again)
        assert clearing[0].result(30)["action"] == "cleared"
    assert statuses(world, "Outage") == {"Contoso": "resolved"}
