"""Undoing a change of an assignment for which an alert is firing."""

from tests.issues.test_undo import move, status_of, undo
from tests.world import World


def test_an_undo_leaves_what_an_alert_has_been_firing_for_since(world: World) -> None:
    """The alert changed nothing, because the company was assigned already; its repetitions will not assign it again."""
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "new"})
    tess, monitoring = world.client("tess"), world.client("omar")

    def report(state: str, company: str) -> str:
        alert = {"key": company, "state": state, "issue": "Fault", "company": company}
        return str(monitoring.call("POST", "/api/alerts", 200, json=alert)["action"])

    move(tess, "resolved", "finished")
    move(tess, "new", "reopened")
    move(tess, "new", "assigned", "O’Neill’s Bar")
    for company in ("Contoso", "O’Neill’s Bar"):
        assert report("firing", company) == "kept"
    for request_id in ("reopened", "assigned"):
        assert undo(tess, request_id) == "It has been changed since; nothing was undone."
    assert (status_of(tess), status_of(tess, "O’Neill’s Bar")) == ("new", "new")
    # What was open before stays open; and an alert that is over needs no assignment.
    move(tess, "monitoring", "moved")
    assert undo(tess, "moved") == "1 undone."
    assert report("resolved", "O’Neill’s Bar") == "kept"
    assert undo(tess, "assigned") == "1 undone."
    assert status_of(tess, "O’Neill’s Bar") is None


def test_an_undo_reverts_what_an_alert_fired_for_before(world: World) -> None:
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "new"})
    tess = world.client("tess")
    alert = {"key": "line", "state": "firing", "issue": "Fault", "company": "Contoso"}
    world.client("omar").call("POST", "/api/alerts", 200, json=alert)
    move(tess, "resolved", "finished")
    move(tess, "new", "reopened")
    assert undo(tess, "reopened") == "1 undone."
    assert status_of(tess) == "resolved", "the alert was firing when it was resolved"
