"""The external key of a merged issue leads to the remaining one, which has a key of its own (docs/api.md)."""

from typing import Any

import pytest

from tests.clients import Client
from tests.company_access.limits import limit
from tests.world import World

MERGE = "/api/issues/merge"


@pytest.fixture
def ada(world: World) -> Client:
    """A client, after the merge of the issue `One` with the key `one` and the company Contoso into `Two`, `two`."""
    ada = world.client("ada")
    for name, company in (("One", "Contoso"), ("Two", "Fabrikam"), ("Three", "Fabrikam")):
        world.given_issue(name, {company: "new"})
        give_key(ada, name, name.lower())
    ada.call("POST", MERGE, 200, json={"external_key": "one", "into": "Two"})
    return ada


def give_key(client: Client, name: str, key: str | None) -> None:
    client.call("PUT", f"/api/issues/{name}", 200, json={"external_key": key})


def found(client: Client, key: str, **more: Any) -> str | None:
    """Returns the name of the issue that a change with an external key finds."""
    body = {"external_key": key, "status": "closed", "companies": [], "dry_run": True, **more}
    response = client.post("/api/issues/status/bulk", json=body)
    assert response.status_code in (200, 404), response.text
    name: str | None = response.json().get("issue_name")
    return name


def test_programs_use_the_key_of_a_merged_issue(ada: Client) -> None:
    changed = {"external_key": "one", "company_name": "Contoso", "status": "resolved"}
    assert ada.call("PUT", "/api/issues/status", 200, json=changed)["issue_name"] == "Two"
    written = {"external_key": "one", "body": "Repaired"}
    assert ada.call("POST", "/api/updates", 201, json=written)["issue_name"] == "Two"
    assert found(ada, "one", issue_name="Two") == "Two"
    ada.call("POST", MERGE, 400, json={"external_key": "one", "into": "Two"})
    assert ada.call("GET", "/api/issues/Two", 200)["external_key"] == "two"
    assert found(ada, "ONE") is None, "keys are case-sensitive"


def test_a_key_leads_on_after_another_merge(ada: Client) -> None:
    ada.call("POST", MERGE, 200, json={"external_key": "one", "into": "Three"})
    assert [found(ada, key) for key in ("one", "two", "three")] == ["Three"] * 3
    ada.call("DELETE", "/api/issues/Three", 204)
    assert [found(ada, key) for key in ("one", "two", "three")] == [None] * 3


def test_an_issue_without_a_key_gets_that_of_the_merged_one(ada: Client) -> None:
    give_key(ada, "Three", None)
    ada.call("POST", MERGE, 200, json={"issue_name": "Two", "into": "Three"})
    assert ada.call("GET", "/api/issues/Three", 200)["external_key"] == "two"
    assert [found(ada, key) for key in ("one", "two", "three")] == ["Three", "Three", None]


def test_a_key_leads_to_the_issue_that_takes_it(ada: Client) -> None:
    ada.call("POST", "/api/issues", 201, json={"name": "New", "external_key": "one"})
    assert found(ada, "one") == "New"
    ada.call("POST", MERGE, 200, json={"issue_name": "New", "into": "Three"})
    assert found(ada, "one") == "Three"
    give_key(ada, "Two", "one")
    assert found(ada, "one") == "Two" and found(ada, "two") is None
    give_key(ada, "Two", None)
    assert found(ada, "one") is None, "nothing is found that led elsewhere before"


def test_a_key_is_known_only_with_a_company_of_the_merged_issue(world: World, ada: Client) -> None:
    limit(world, "Contoso", who="tess")
    limit(world, "Fabrikam", who="omar")
    assert [found(world.client(who), "one") for who in ("tess", "omar")] == ["Two", None]
    assert [found(world.client("omar"), "two"), found(ada, "one")] == ["Two", "Two"]
