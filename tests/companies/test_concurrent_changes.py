"""A request that uses a company while another transaction changes it acts on the company as the change leaves it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from issue_tracker.actor import command_line
from issue_tracker.companies.operations import delete_company, update_company
from issue_tracker.names import parse_name
from tests.clients import Client
from tests.locks import during
from tests.world import World

ADMIN = command_line("tests")


def archiving(ids: dict[str, int], name: str) -> Callable[[Connection], Any]:
    return lambda tx: update_company(tx, ADMIN, ids[name], archived=True)


@pytest.fixture
def tess(world: World) -> Client:
    world.given_issue("VPN")
    return world.client("tess")


def assigned(tess: Client) -> list[str]:
    items = tess.call("GET", "/api/issues", 200)["items"]
    return [member["company_name"] for issue in items for member in issue["assignments"]]


def test_a_company_that_is_being_archived_is_not_assigned(world: World, tess: Client) -> None:
    ids = world.given_companies("One", "Two", "Three", "Four")
    status = {"issue_name": "VPN", "status": "new"}
    requests = {
        "One": ("PUT", "/api/issues/status", status | {"company_name": "One"}),
        "Two": ("POST", "/api/issues/status/bulk", status | {"companies": ["Two", "Contoso"]}),
        "Three": ("POST", "/api/issues", {"name": "Mail", "companies": [{"company_name": "Three"}]}),
    }
    for name, (method, path, body) in requests.items():
        refused = during(
            world,
            archiving(ids, name),
            lambda method=method, path=path, body=body: tess.call(method, path, 400, json=body),  # type: ignore[misc]  # defaults have no type
        )
        assert f"“{name}” is archived" in refused["detail"]
    alert = {"key": "a", "state": "firing", "issue": "Mail", "company": "Four"}
    reported = during(world, archiving(ids, "Four"), lambda: tess.call("POST", "/api/alerts", 200, json=alert))
    assert reported["action"] == "unsorted"
    assert assigned(tess) == []


def test_a_company_that_is_being_renamed_is_assigned_and_recorded_under_its_new_name(
    world: World, tess: Client
) -> None:
    ids = world.given_companies("Contoso")
    body = {"issue_name": "VPN", "company_name": "Contoso", "status": "new"}

    def rename(tx: Connection) -> None:
        update_company(tx, ADMIN, ids["Contoso"], name=parse_name("Contoso Ltd."))

    if world.engine == "sqlite":
        # The request reads after the rename; a former name of a company finds nothing.
        during(world, rename, lambda: tess.call("PUT", "/api/issues/status", 404, json=body))
        return
    during(world, rename, lambda: tess.call("PUT", "/api/issues/status", 200, json=body))
    assert assigned(tess) == ["Contoso Ltd."]
    assert world.history()[-1].company_name == "Contoso Ltd."


def test_a_company_that_is_being_deleted_gets_no_assignment_and_no_webhook(world: World, tess: Client) -> None:
    ids = world.given_companies("One", "Two")
    body = {"issue_name": "VPN", "company_name": "One", "status": "new"}
    missing = 404 if world.engine == "sqlite" else 400
    during(
        world,
        lambda tx: delete_company(tx, ADMIN, ids["One"]),
        lambda: tess.call("PUT", "/api/issues/status", missing, json=body),
    )
    ada = world.client("ada")
    hook = {"url": "http://127.0.0.1:9/", "company_ids": [ids["Two"]]}
    during(
        world,
        lambda tx: delete_company(tx, ADMIN, ids["Two"]),
        lambda: ada.call("POST", "/api/webhooks", 404, json=hook),
    )
    assert assigned(tess) == []
    assert ada.call("GET", "/api/webhooks", 200)["items"] == []
