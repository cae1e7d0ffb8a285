"""Changed rules lock what they find for the unsorted alerts of all receivers in the order in which other changes lock.

On SQLite, changes wait for each other.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, select

from issue_tracker.actor import command_line
from issue_tracker.alerts.rule_undo import undo_rule
from issue_tracker.companies.queries import get_company_by_name, lock_company
from issue_tracker.database.tables import alerts
from issue_tracker.issues.operations import create_issue
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.names import parse_issue_name
from tests.alerts.test_alerts import statuses
from tests.alerts.test_receivers import given_receiver, send
from tests.alerts.test_rules import given_rule
from tests.locks import during
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

ACTOR = command_line("tests")


def fire(world: World, *found: tuple[str, str]) -> None:
    """Reports an alert to a receiver of its own for each of these issues and companies, which only a rule finds."""
    for issue, client in found:
        path = given_receiver(world, "alertmanager", name=f"About {issue}")
        send(world, path, {"alerts": [{"status": "firing", "labels": {"place": issue, "of": client}}]})


def sort(world: World, name: str = "Places", **rule: Any) -> int:
    """Creates a rule that finds the issues and the companies, and returns its id."""
    rule_id: int = given_rule(world, name, issue="{place}", company="{of}", **rule)["id"]
    return rule_id


def undo(world: World, rule_id: int) -> int:
    with world.database.write() as tx:
        return undo_rule(tx, ACTOR, rule_id)


def issue(name: str) -> Callable[[Connection], Any]:
    return lambda tx: get_issue_head(tx, ACTOR, name, lock=True)


def company(name: str) -> Callable[[Connection], Any]:
    return lambda tx: lock_company(tx, ACTOR, get_company_by_name(tx, ACTOR, name).company_id)


def test_the_companies_of_all_receivers_are_locked_in_the_order_of_their_ids(world: World) -> None:
    fire(world, ("One", "Fabrikam"), ("Two", "Contoso"))
    during(world, company("Contoso"), partial(sort, world), company("Fabrikam"))
    assert (statuses(world, "One"), statuses(world, "Two")) == (
        {"Fabrikam": "investigating"},
        {"Contoso": "investigating"},
    )


def test_the_companies_of_all_receivers_are_locked_before_the_issues_of_any(world: World) -> None:
    """A new name of a company locks the company, and then its issues."""
    world.given_issue("One", {"Contoso": "resolved"})
    fire(world, ("One", "Fabrikam"), ("Two", "Contoso"))
    during(world, company("Contoso"), partial(sort, world), issue("One"))
    assert statuses(world, "One") == {"Contoso": "resolved", "Fabrikam": "investigating"}


def test_the_issues_of_all_receivers_are_created_in_the_order_of_their_names(world: World) -> None:
    """As a message with several alerts creates them."""

    def create(name: str) -> Callable[[Connection], Any]:
        return lambda tx: create_issue(tx, ACTOR, parse_issue_name(name), None)

    fire(world, ("B", "Fabrikam"), ("A", "Contoso"))
    during(world, create("A"), partial(sort, world), create("B"))
    assert (statuses(world, "A"), statuses(world, "B")) == ({"Contoso": "investigating"}, {"Fabrikam": "investigating"})


def test_an_undo_locks_what_the_remaining_rules_find_before_issues(world: World) -> None:
    rule_id = sort(world)
    world.given_issue("One", {"Fabrikam": "resolved"})
    fire(world, ("One", "Contoso"))
    given_rule(world, "Others", issue="Other", company="Fabrikam")
    assert during(world, company("Fabrikam"), partial(undo, world, rule_id), issue("One")) == 1
    assert statuses(world, "Other") == {"Fabrikam": "investigating"}


def test_an_undo_locks_the_unsorted_alerts_before_issues(world: World) -> None:
    """A message locks its alert, and then the issue."""
    rule_id = sort(world, conditions=[{"label": "of", "operator": "is", "value": "Contoso"}])
    fire(world, ("One", "Contoso"), ("Two", "Nobody"))

    def unsorted(tx: Connection) -> None:
        tx.execute(select(alerts.c.alert_id).where(alerts.c.unsorted).with_for_update())

    assert during(world, unsorted, partial(undo, world, rule_id), issue("One")) == 1
