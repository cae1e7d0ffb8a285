"""A former name finds its issue until another one takes it (contract, section 13)."""

import pytest

from issue_tracker.issues.queries import former_search
from tests.clients import Client
from tests.company_access.limits import limit
from tests.world import World


def rename(client: Client, name: str, new_name: str) -> None:
    client.call("PUT", f"/api/issues/{name}", 200, json={"new_name": new_name})


def found(client: Client, name: str) -> str | None:
    """Returns the current name of the issue that a name finds."""
    response = client.get(f"/api/issues/{name}")
    assert response.status_code in (200, 404)
    return response.json()["name"] if response.status_code == 200 else None


def names(client: Client, query: str = "") -> list[str]:
    listed = client.call("GET", f"/api/issues?{query}", 200)
    assert listed["total"] == len(listed["items"])
    return [issue["name"] for issue in listed["items"]]


def test_hidden_issues_do_not_displace_visible_ones(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(former_search, "MOST", 2)
    ada = world.client("ada")
    for number in range(7):
        world.given_issue(f"Old {number}", {"Fabrikam" if number == 3 else "Contoso": "new"})
        rename(ada, f"Old {number}", f"Fault {number}")
    limit(world, "Fabrikam")
    assert names(world.client("tess"), "words=old") == ["Fault 3"]
    assert names(ada, "words=old") == ["Fault 5", "Fault 6"]


def test_a_former_name_finds_its_issue_until_another_issue_takes_it(world: World) -> None:
    tess = world.client("tess")
    world.given_issue("Slow mail", {"Contoso": "new"})
    rename(tess, "Slow mail", "SLOW MAIL")
    rename(tess, "Slow mail", "Relay down")
    rename(tess, "Relay down", "Mail gateway")
    for name in ("slow mail", "Relay Down", "Mail gateway"):
        assert found(tess, name) == "Mail gateway"
    for query, expected in (
        ("slow", True),
        ('"slow ma"', True),
        ("RELAY", True),
        ("gateway", True),
        ("zz", False),
        ("lo", True),
    ):
        assert names(tess, f"words={query}") == (["Mail gateway"] if expected else [])
    assert names(tess, "search=relay") == [], "the literal search knows present texts only"
    limit(world, "Fabrikam", who="omar")
    assert found(world.client("omar"), "slow mail") is None
    # Requests that change data require the current name.
    change = {"company_name": "Contoso", "status": "resolved"}
    tess.call("PUT", "/api/issues/status", 404, json={"issue_name": "Slow mail", **change})
    world.given_issue("Slow mail")
    assert found(tess, "slow mail") == "Slow mail" and found(tess, "Relay down") == "Mail gateway"
    rename(tess, "Slow mail", "relay DOWN")
    assert found(tess, "Relay down") == "relay DOWN" == found(tess, "Slow mail")
    rename(tess, "Mail gateway", "Slow mail")
    assert found(tess, "slow mail") == "Slow mail"
    world.client("ada").call("DELETE", "/api/issues/relay DOWN", 204)
    assert found(tess, "Relay down") is None


def test_a_company_with_the_same_word_in_its_name_hides_no_former_name(world: World) -> None:
    world.given_companies("Backup & Sons")
    world.given_issue("Backup failed", {"Contoso": "new"})
    world.given_issue("Slow line", {"Backup & Sons": "new"})
    tess = world.client("tess")
    rename(tess, "Backup failed", "Tape library")
    assert names(tess, "words=backup") == ["Slow line", "Tape library"]
    assert names(tess, "words=backup&limit=500&sort=-name") == ["Tape library", "Slow line"]
    assert names(tess, "words=backup+failed") == [] and names(tess, "words=backup&companyName=Fabrikam") == []
    limit(world, "Backup & Sons", who="omar")
    assert names(world.client("omar"), "words=backup") == ["Slow line"]
