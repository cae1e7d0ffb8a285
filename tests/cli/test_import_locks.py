"""An import locks companies and issues in the order in which other changes of several issues do.

On SQLite, changes wait for each other.
"""

from collections.abc import Callable
from functools import partial
from subprocess import CompletedProcess
from typing import Any

import pytest
from sqlalchemy import Connection

from issue_tracker.actor import command_line
from issue_tracker.companies.queries import get_company_by_name, lock_company
from issue_tracker.issues.operations import create_issue
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.names import parse_issue_name
from tests.locks import during
from tests.processes import run
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

ACTOR = command_line("tests")


def _import(world: World, *rows: str) -> "CompletedProcess[str]":
    file = "\n".join(["name,company_name", *rows])
    return run("issue", "import", "-", database_url=world.server.settings.database_url, stdin=file)


def _issue(name: str) -> Callable[[Connection], Any]:
    return lambda tx: get_issue_head(tx, ACTOR, name, lock=True)


def test_issues_are_locked_in_the_order_of_their_ids(world: World) -> None:
    for name in ("Second name", "First name"):
        world.given_issue(name)
    act = partial(_import, world, "First name,Contoso", "Second name,Contoso")
    done = during(world, _issue("Second name"), act, _issue("First name"))
    assert "2 already existed; 2 rows imported" in done.stdout, done.stderr


def test_companies_are_locked_before_issues(world: World) -> None:
    """A new name of a company locks the company, and then its issues."""
    world.given_issue("Line down", {"Fabrikam": "new"})

    def lock(tx: Connection) -> None:
        lock_company(tx, ACTOR, get_company_by_name(tx, ACTOR, "Fabrikam").company_id)

    act = partial(_import, world, "Line down,Contoso", "Other,Fabrikam")
    assert "2 rows imported" in during(world, lock, act, _issue("Line down")).stdout


def test_new_issues_are_created_in_the_order_of_their_names(world: World) -> None:
    """Alerts do the same. What one of them creates is not created twice."""

    def create(name: str) -> Callable[[Connection], Any]:
        return lambda tx: create_issue(tx, ACTOR, parse_issue_name(name), None)

    done = during(world, create("A"), partial(_import, world, "B,", "A,"), create("B"))
    assert "Nothing was imported: 1 bad row." in done.stderr and "already exists" in done.stderr
