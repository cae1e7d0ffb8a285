"""Issues with a similar name, before one more is created."""

from typing import Any

import pytest

from issue_tracker.issues.queries import find
from tests.world import World


def similar(world: World, name: str, **options: Any) -> list[dict[str, Any]]:
    query = {"name": name} | options
    found: list[dict[str, Any]] = world.client().call("GET", "/api/similar-issues", 200, params=query)["items"]
    return found


@pytest.mark.parametrize("enough", [find.ENOUGH, 2], ids=["by index", "newest"])
def test_similar_issues_are_listed_with_their_state(world: World, monkeypatch: pytest.MonkeyPatch, enough: int) -> None:
    monkeypatch.setattr(find, "ENOUGH", enough)
    world.given_issue("Mail delivery delayed", {"Contoso": "new", "Fabrikam": "closed"})
    world.given_issue("Mail delivery stopped", {"Contoso": "resolved"})
    world.given_issue("Backup 100%_done")
    world.given_issue("Printer firmware 4.3.2 fails to start")
    world.client().call("PUT", "/api/issues/Backup%20100%25_done", 200, json={"new_name": "Tape library"})

    assert similar(world, "mial delivery delyed")[0] | {"issue_id": 0} == {
        "issue_id": 0,
        "name": "Mail delivery delayed",
        "former_name": None,
        "open": 1,
        "total": 2,
    }
    assert {one["name"]: (one["open"], one["total"]) for one in similar(world, "Mail delivery")} == {
        "Mail delivery delayed": (1, 2),
        "Mail delivery stopped": (0, 1),
    }
    # Words that no issue contains do not hide matches of other words.
    assert similar(world, "Printer firmware 2026-11-26")[0]["name"] == "Printer firmware 4.3.2 fails to start"
    # A beginning or a part is found however long the name is.
    world.given_issue("Certificate expired on the remote desktop gateway of the north")
    for part in ("cer", "cert", "gate"):
        assert [one["name"][:11] for one in similar(world, part)] == ["Certificate"], part
    [former] = similar(world, "backup 100%_don")
    assert (former["name"], former["former_name"], former["total"]) == ("Tape library", "Backup 100%_done", 0)
    world.given_issue(r"C:\Temp*|(full)?.+ [^4] {2}$")
    for typed in (r"c:\temp*|(full)?.+ [^4] {2}$", r"c:\tmep*|(ful)?.+ [^4] {2}$", r"c:\temp*|(full)?.+ [^5] {3}$"):
        assert [one["name"] for one in similar(world, typed)] == [r"C:\Temp*|(full)?.+ [^4] {2}$"], typed
    assert len(similar(world, "mail delivery", limit=1)) == 1
    assert similar(world, "") == similar(world, "zzzzzz") == similar(world, "a") == []
    for wrong in ({"limit": "0"}, {"name": "x" * 256}, {"search": "x"}, {"name": "a\x00"}):
        world.client().call("GET", "/api/similar-issues", 422, params=wrong)


@pytest.mark.parametrize("enough", [find.ENOUGH, 2], ids=["by index", "newest"])
def test_equally_similar_issues_are_in_a_fixed_order(
    world: World, monkeypatch: pytest.MonkeyPatch, enough: int
) -> None:
    monkeypatch.setattr(find, "ENOUGH", enough)
    for name in ("Line to north", "Line to south", "Line to coast"):
        world.given_issue(name, {"Contoso": "new", "Fabrikam": "new"})
    newest_first = ["Line to coast", "Line to south", "Line to north"]
    assert [one["name"] for one in similar(world, "line to")] == newest_first
    # On PostgreSQL, a change moves the row of its issue.
    body = {"issue_name": "Line to coast", "company_name": "Fabrikam", "status": "resolved"}
    world.client().call("PUT", "/api/issues/status", 200, json=body)
    assert [one["name"] for one in similar(world, "line to")] == newest_first
    assert [one["name"] for one in similar(world, "line to", limit=1)] == newest_first[:1]


def test_the_same_name_is_found_behind_many_newer_ones(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "CANDIDATES", 3)
    monkeypatch.setattr(find, "ENOUGH", 3)
    for name in ("Mail delivery", "Mail delivery delayed", "Mail delivery stopped", "Mail delivery refused"):
        world.given_issue(name, {"Contoso": "new"})
    assert [one["name"] for one in similar(world, " mail Delivery ", limit=1)] == ["Mail delivery"]
