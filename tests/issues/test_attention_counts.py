"""The counts of issues that need attention: unmoved, new and unowned, or overdue."""

import re

import pytest

from issue_tracker.issues.queries import attention_counts
from tests.clients import Client
from tests.world import World


@pytest.fixture
def tess(world: World) -> Client:
    """A technician, three days after the last change of all issues but one."""
    world.given_issue("Old", {"Contoso": "investigating", "Fabrikam": "resolved"})
    world.given_issue("Old and done", {"Contoso": "resolved", "Fabrikam": "closed"})
    world.given_issue("Old and new", {"Fabrikam": "new"})
    world.given_issue("Old and empty")
    world.clock.advance(days=3, minutes=1)
    tess = world.client("tess")
    tess.call("POST", "/api/issues", 201, json={"name": "Late", "next_update_at": world.clock.now().isoformat()})
    return tess


def names(tess: Client, query: str) -> list[str]:
    found = tess.call("GET", f"/api/issues?{query}", 200)
    assert found["total"] == len(found["items"])
    return [issue["name"] for issue in found["items"]]


def counts(tess: Client, path: str = "/attention-counts") -> list[tuple[str, str]]:
    text = tess.get(path).raise_for_status().text
    return re.findall(r'href="(/\?[^"]*)"[^>]*><b>([\d,+]+)</b>', text.replace("&amp;", "&"))


def test_the_counts_equal_the_totals_of_their_lists(world: World, tess: Client) -> None:
    assert names(tess, "unmovedDays=3") == ["Old", "Old and empty", "Old and new"]
    assert names(tess, "unmovedDays=3&sort=attention") == ["Old", "Old and new", "Old and empty"]
    assert names(tess, "unmovedDays=3&companyName=Fabrikam&status=new") == ["Old and new"]
    assert names(tess, "unmovedDays=4") == []
    tess.call("GET", "/api/issues?unmovedDays=0", 422)
    world.clock.advance(minutes=1)
    assert names(tess, "overdue=true") == ["Late"]

    shown = [("/?status=new&owner=none", "1"), ("/?unmovedDays=3", "3"), ("/?overdue=true", "1")]
    assert counts(tess) == counts(tess, "/?search=nothing+like+it") == shown
    for href, number in shown:
        assert len(names(tess, href[2:])) == int(number)

    # A technician becomes the owner of the new issue, so it has changed and has an owner.
    tess.call("PUT", "/api/issues/Old and new", 200, json={"owner": "tess@helpdesk.example"})
    assert counts(tess) == [("/?unmovedDays=3", "2"), ("/?overdue=true", "1")]


def test_only_visible_issues_are_counted(world: World, tess: Client) -> None:
    ada = world.client("ada")
    omar = next(user for user in ada.call("GET", "/api/users", 200)["items"] if user["name"].startswith("Omar"))
    access = {"company_access": {"companies": ["Contoso"]}}
    ada.call("PUT", f"/api/users/{omar['user_id']}", 200, json=access)
    client = world.client("omar")
    assert names(client, "unmovedDays=3") == ["Old"]
    assert counts(client) == [("/?unmovedDays=3", "1")]
    # A change for a hidden company affects no visible issue.
    body = {"issue_name": "Old", "company_name": "Fabrikam", "status": "new"}
    tess.call("PUT", "/api/issues/status", 200, json=body)
    assert counts(client) == [("/?unmovedDays=3", "1")]


def test_the_counts_are_limited(world: World, tess: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_counts, "MOST", 2)
    monkeypatch.setattr("issue_tracker.pages.attention_counts.MOST", 2)
    world.clock.advance(minutes=1)
    assert counts(tess)[1] == ("/?unmovedDays=3", "2+")
