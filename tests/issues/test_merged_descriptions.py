"""What becomes of the descriptions of two issues that are merged (docs/api.md)."""

from tests.company_access.limits import limit
from tests.world import World

MERGE = "/api/issues/merge"


def given(world: World, name: str, company: str, description: str) -> None:
    world.given_issue(name, {company: "new"})
    world.client("tess").call("PUT", f"/api/issues/{name}", 200, json={"description": description})


def test_a_merge_keeps_the_texts_of_both_descriptions(world: World) -> None:
    tess = world.client("tess")
    world.given_issue("Bare", {"Contoso": "new"})
    given(world, "One", "Fabrikam", "Line cut")
    given(world, "Two", "Fabrikam", "**Bold**")
    limit(world, "Contoso", who="omar")
    omar = world.client("omar")
    before = omar.call("GET", "/api/issues/Bare", 200)["updated_at"]
    world.clock.advance(minutes=1)
    body = {"issue_name": "One", "into": "Bare"}
    for trial in (True, False):
        merged = tess.call("POST", MERGE, 200, json={**body, "dry_run": trial})
        assert merged["description"] == "Line cut"
    assert omar.call("GET", "/api/issues?search=line", 200)["total"] == 1
    assert omar.call("GET", "/api/updates", 200)["total"] == 0
    # A limited user who synchronizes with `updatedSince` learns of the changed description, too.
    assert omar.call("GET", "/api/issues/Bare", 200)["updated_at"] > before
    fields = [one["field"] for one in tess.call("GET", "/api/events?issueName=Bare&type=issue.updated", 200)["items"]]
    assert fields == ["description", "merged"]
    tess.call("POST", MERGE, 200, json={"issue_name": "Two", "into": "Bare", "dry_run": True})
    assert tess.call("GET", "/api/updates?issueName=Bare", 200)["total"] == 0
    merged = tess.call("POST", MERGE, 200, json={"issue_name": "Two", "into": "Bare"})
    assert merged["description"] == "Line cut"
    [said] = tess.call("GET", "/api/updates?issueName=Bare", 200)["items"]
    assert (said["body"], said["public"]) == ("The description of “Two” was:\n\n**Bold**", False)
    assert said["company_names"] == ["Fabrikam"] and omar.call("GET", "/api/updates", 200)["total"] == 0
    assert "The description of “Two” was" in tess.get(f"/issues/{merged['issue_id']}").text
    # The same text, or none, is not said again.
    for name, text in (("Three", "Line cut"), ("Four", "")):
        given(world, name, "Contoso", text)
        tess.call("POST", MERGE, 200, json={"issue_name": name, "into": "Bare"})
    assert tess.call("GET", "/api/updates?issueName=Bare", 200)["total"] == 1


def test_a_description_of_any_length_becomes_an_update(world: World) -> None:
    """It can be edited like any other update, which is at most as long as a description."""
    tess, longest = world.client("tess"), "x" * 10_000
    given(world, "Kept", "Contoso", "Line cut")
    given(world, "Long", "Contoso", longest)
    tess.call("POST", MERGE, 200, json={"issue_name": "Long", "into": "Kept"})
    [said] = tess.call("GET", "/api/updates?issueName=Kept", 200)["items"]
    assert said["body"] == longest
    tess.call("PUT", f"/api/updates/{said['update_id']}", 200, json={"body": said["body"]})
