"""Imports of companies and of groups lock in one order, whatever that of the file is.

On SQLite, changes wait for each other.
"""

from collections.abc import Callable
from functools import partial
from subprocess import CompletedProcess
from typing import Any

import pytest
from sqlalchemy import Connection

from issue_tracker.actor import command_line
from issue_tracker.companies.groups.operations import create_group
from issue_tracker.companies.groups.queries import lock_group
from issue_tracker.companies.operations import create_company
from issue_tracker.companies.queries import get_company_by_name, lock_company
from issue_tracker.names import parse_name
from tests.locks import during
from tests.processes import run
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

ACTOR = command_line("tests")


def command(world: World, *arguments: str, file: str = "") -> "CompletedProcess[str]":
    return run("company", *arguments, database_url=world.server.settings.database_url, stdin=file)


def create(name: str) -> Callable[[Connection], Any]:
    return lambda tx: create_company(tx, ACTOR, parse_name(name))


def lock(name: str) -> Callable[[Connection], Any]:
    return lambda tx: lock_company(tx, ACTOR, get_company_by_name(tx, ACTOR, name).company_id)


def names(world: World, query: str = "") -> set[str]:
    return {one["name"] for one in world.client().call("GET", f"/api/companies{query}", 200)["items"]}


def test_new_companies_are_created_in_the_order_of_their_names(world: World) -> None:
    """What another request creates meanwhile existed already."""
    ada = world.client("ada")
    done = during(world, create("A"), partial(command, world, "import", "-", file="name\nB\nC\nA\n"), create("B"))
    assert "1 company created, 2 already existed." in done.stdout, done.stderr
    form = {"several": "E\nF\nD"}
    during(world, create("D"), lambda: ada.call("POST", "/admin/companies", 303, data=form), create("E"))
    during(world, create("G"), partial(command, world, "add", "H", "G"), create("H"))
    assert set("ABCDEFGH") <= names(world)
    made = ada.call("GET", "/api/events?type=company.created&limit=100", 200)["items"]
    assert sorted(one["company_name"] for one in made if len(one["company_name"]) == 1) == list("ABCDEFGH")


def test_companies_are_archived_in_the_order_of_their_ids(world: World) -> None:
    contoso = world.given_companies("Contoso")["Contoso"]
    for name in ("Other", "Contoso"):  # then PostgreSQL stores it behind the others
        world.client("ada").call("PUT", f"/api/companies/{contoso}", 200, json={"name": name})
    act = partial(command, world, "import", "-", "--archive", file="name,archived\nFabrikam,yes\nContoso,yes\n")
    done = during(world, lock("Contoso"), act, lock("Fabrikam"))
    assert "2 archived" in done.stdout, done.stderr


def test_companies_are_locked_before_others_are_created(world: World) -> None:
    """A new name of a company locks the company, and waits for others who use the name."""
    file = "name,archived\nNew,\nContoso,yes\n"
    done = during(world, lock("Contoso"), partial(command, world, "import", "-", "--archive", file=file), create("New"))
    assert "0 companies created, 2 already existed; 1 archived." in done.stdout, done.stderr


def test_groups_are_locked_before_others_are_created(world: World) -> None:
    ada = world.client("ada")
    group = ada.call("POST", "/api/company-groups", 201, json={"name": "South", "company_names": ["Contoso"]})
    csv = "company_name,group\nFabrikam,North\nFabrikam,South\n"
    act = partial(ada.call, "POST", "/api/company-groups/import", 400, json={"csv": csv})
    refused = during(
        world,
        lambda tx: lock_group(tx, ACTOR, group["group_id"]),
        act,
        lambda tx: create_group(tx, ACTOR, parse_name("North"), []),
    )
    assert "already exists" in refused["detail"]
    assert ada.call("POST", "/api/company-groups/import", 200, json={"csv": csv})["changed"] == 2
