"""A new name of a company locks the company, and then its issues. What changes these issues at the same moment must not
do it in the other order: on PostgreSQL that would be a deadlock, and one of both a 503.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from issue_tracker.actor import command_line
from issue_tracker.companies.operations import update_company
from issue_tracker.companies.queries import lock_company
from issue_tracker.invariants.checker import check
from issue_tracker.names import parse_name
from tests.clients import Client
from tests.locks import during
from tests.world import World

ADMIN = command_line("tests")
NEW_NAME = "Contoso Ltd."

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


@pytest.fixture
def tess(world: World) -> Client:
    world.given_issue("Fault", {"Contoso": "new"})
    world.given_issue("Outage", {"Contoso": "new", "Fabrikam": "new"})
    world.given_issue("Other", {"Fabrikam": "new"})
    return world.client("tess")


def while_renaming(world: World, act: Callable[[], Any]) -> Any:
    """Returns the result of `act`, which begins after the company is locked and before its issues are."""
    contoso = world.given_companies("Contoso")["Contoso"]

    def rename(tx: Connection) -> None:
        update_company(tx, ADMIN, contoso, name=parse_name(NEW_NAME))

    result = during(world, lambda tx: lock_company(tx, ADMIN, contoso), act, rename)
    assert list(check(world.database, ADMIN, longest_transaction=timedelta(0))) == []
    return result


def companies_of(tess: Client, issue: str) -> list[str]:
    found = tess.call("GET", f"/api/issues/{issue}", 200)["assignments"]
    return [assignment["company_name"] for assignment in found]


def test_an_update_for_the_company(world: World, tess: Client) -> None:
    update = {"issue_name": "Fault", "body": "The carrier is on site.", "companies": ["Contoso"]}
    while_renaming(world, lambda: tess.call("POST", "/api/updates", 201, json=update))
    assert tess.call("GET", "/api/updates", 200)["total"] == 1
    assert companies_of(tess, "Fault") == [NEW_NAME]


def test_a_merge_that_assigns_the_company(world: World, tess: Client) -> None:
    merge = {"issue_name": "Fault", "into": "Other"}
    while_renaming(world, lambda: tess.call("POST", "/api/issues/merge", 200, json=merge))
    assert companies_of(tess, "Other") == [NEW_NAME, "Fabrikam"]


def test_a_form_that_assigns_the_company_and_changes_another_of_its_issues(world: World, tess: Client) -> None:
    ids = world.given_companies("Contoso", "Fabrikam")
    outage, other = (tess.call("GET", f"/api/issues/{name}", 200)["issue_id"] for name in ("Outage", "Other"))
    form = {"on": [f"{outage}-{ids['Fabrikam']}", f"{other}-{ids['Contoso']}"], "status": "resolved"}
    while_renaming(world, lambda: tess.call("POST", "/assignments/bulk", 303, data=form))
    assert companies_of(tess, "Other") == [NEW_NAME, "Fabrikam"]
