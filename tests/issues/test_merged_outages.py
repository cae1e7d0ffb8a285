"""When the outage of a company began that two merged issues have (docs/api.md)."""

from datetime import timedelta

from issue_tracker.actor import command_line
from issue_tracker.invariants.checker import check
from tests.world import World

MERGE = "/api/issues/merge"


def test_an_outage_begins_with_the_earlier_one_even_if_the_status_remains(world: World) -> None:
    tess = world.client("tess")

    def members(issue: str) -> dict[str, tuple[str, str | None]]:
        found = tess.call("GET", f"/api/issues/{issue}?include=details", 200)["assignments"]
        return {one["company_name"]: (one["status"], one["affected_since"]) for one in found}

    world.given_issue("Old", {"Contoso": "monitoring", "Fabrikam": "resolved", "Acme Manufacturing": "monitoring"})
    old = members("Old")
    world.clock.advance(hours=1)
    world.given_issue("Kept", {"Contoso": "new", "Fabrikam": "new", "Acme Manufacturing": "closed"})
    kept = members("Kept")
    trial = tess.call("POST", MERGE, 200, json={"issue_name": "Old", "into": "Kept", "dry_run": True})
    assert trial["name"] == "Kept" and members("Kept") == kept
    merged = tess.call("POST", MERGE, 200, json={"issue_name": "Old", "into": "Kept"})
    changed = [one["company_name"] for one in merged["assignments"] if one["updated_at"] == merged["updated_at"]]
    assert changed == ["Acme Manufacturing", "Contoso"]
    assert members("Kept") == {
        "Contoso": ("new", old["Contoso"][1]),
        "Fabrikam": kept["Fabrikam"],
        "Acme Manufacturing": old["Acme Manufacturing"],
    }
    [event] = tess.call("GET", "/api/events?type=assignment.updated", 200)["items"]
    assert (event["company_name"], event["field"]) == ("Contoso", "affected_since")
    assert (event["from"], event["to"]) == (kept["Contoso"][1], old["Contoso"][1])
    assert "set an earlier start of the outage of" in tess.get("/activity").text
    # The history leads to these times, and a removal that is undone restores what it removed.
    remove = "/api/issues/status?issueName=Kept&companyName=Contoso"
    tess.call("DELETE", remove, 204, headers={"X-Request-ID": "removal"})
    assert tess.post("/undo", data={"request_id": "removal"}).status_code == 303
    assert members("Kept")["Contoso"] == ("new", old["Contoso"][1])
    assert list(check(world.database, command_line("tests"), longest_transaction=timedelta(0))) == []
